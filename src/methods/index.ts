import { UsageError } from '../errors.ts';
import { suggestion } from '../nearest.ts';
import { anchored } from './anchored.ts';
import { ape } from './ape.ts';
import { apeT } from './ape-t.ts';
import { clap } from './clap.ts';
import { clipAdapter } from './clip-adapter.ts';
import { coOp } from './coop.ts';
import { crossModal } from './cross-modal.ts';
import { gda } from './gda.ts';
import { linearProbe } from './linear-probe.ts';
import { lpPlusPlus } from './lp-plus-plus.ts';
import type { Method } from './method.ts';
import { proker } from './proker.ts';
import { prototype } from './prototype.ts';
import { stackOf } from './stack.ts';
import { taskRes } from './taskres.ts';
import { timo } from './timo.ts';
import { tipAdapter } from './tip-adapter.ts';
import { tipAdapterF } from './tip-adapter-f.ts';
import { tipX } from './tip-x.ts';
import { visualOnly } from './visual-only.ts';
import { zeroShot } from './zero-shot.ts';

/** Methods that learn by themselves. */
const single = [
  zeroShot,
  visualOnly,
  prototype,
  tipAdapter,
  tipAdapterF,
  linearProbe,
  anchored,
  gda,
  proker,
  ape,
  tipX,
  timo,
  clipAdapter,
  taskRes,
  crossModal,
  clap,
  lpPlusPlus,
  apeT,
  coOp,
] satisfies Method[];

/** Every method by its id. */
export const methods: readonly Method[] = [...single, stackOf(single)];

/** The method of that id. Throws `UsageError` with the nearest name where there is none. */
export function methodById(id: string): Method {
  const found = methods.find((method) => method.id === id);
  if (found) return found;
  const ids = methods.map((method) => method.id);
  throw new UsageError(`There is no method "${id}"`, {
    code: 'method/unknown',
    hint: `${suggestion(id, ids)}Known are ${ids.join(', ')}.`,
  });
}

export { affinities, cacheTensors, classSums } from './cache.ts';
export { checkNeeds, defineMethod, type Method, type Need, type State, scoresOf } from './method.ts';
export { createScorer, type Scorer, scoreRows } from './score.ts';
export { keysOf, plainSupport, type Support, type Task, type TextHead } from './task.ts';
export { headFromPrompts } from './text-head.ts';
export { prototype, tipAdapter, tipAdapterF, visualOnly, zeroShot };
