import { UsageError } from '../errors.ts';
import { suggestion } from '../nearest.ts';
import { anchored } from './anchored.ts';
import { ape } from './ape.ts';
import { apeT } from './ape-t.ts';
import { clap } from './clap.ts';
import { classBalance } from './class-balance.ts';
import { clipAdapter } from './clip-adapter.ts';
import { coCoOp } from './cocoop.ts';
import { coOp } from './coop.ts';
import { crossModal } from './cross-modal.ts';
import { gda } from './gda.ts';
import { kgCoOp } from './kgcoop.ts';
import { linearProbe } from './linear-probe.ts';
import { keepLoaded, methodIfLoaded } from './loaded.ts';
import { lpPlusPlus } from './lp-plus-plus.ts';
import type { Method } from './method.ts';
import { proker } from './proker.ts';
import { prokerRandomFeatures } from './proker-random-features.ts';
import { proLip } from './prolip.ts';
import { prototype } from './prototype.ts';
import { methodIds } from './registry.ts';
import { reHark } from './rehark.ts';
import { ridge } from './ridge.ts';
import { rla } from './rla.ts';
import { stack } from './stack.ts';
import { taskRes } from './taskres.ts';
import { timo } from './timo.ts';
import { tipAdapter } from './tip-adapter.ts';
import { tipAdapterF } from './tip-adapter-f.ts';
import { tipAdapterLowRank } from './tip-adapter-low-rank.ts';
import { tipAdapterSketch } from './tip-adapter-sketch.ts';
import { tipX } from './tip-x.ts';
import { visualOnly } from './visual-only.ts';
import { whitened } from './whitened.ts';
import { zeroShot } from './zero-shot.ts';

/** Returns the method with this id, if there is one. */
export { methodIfLoaded as methodIfKnown };

/** All built-in methods. Whoever imports this file has them loaded. */
keepLoaded([
  classBalance,
  stack,
  zeroShot,
  visualOnly,
  linearProbe,
  clipAdapter,
  rla,
  proLip,
  tipAdapter,
  tipAdapterF,
  tipAdapterLowRank,
  tipAdapterSketch,
  prototype,
  anchored,
  whitened,
  gda,
  ridge,
  proker,
  prokerRandomFeatures,
  reHark,
  ape,
  tipX,
  timo,
  taskRes,
  crossModal,
  clap,
  lpPlusPlus,
  apeT,
  coOp,
  coCoOp,
  kgCoOp,
]);

/** The methods that can be chosen by name: first the built-in ones in the order of the papers' tables, then the registered ones. */
export function listMethods(): readonly Method[] {
  return methodIds().flatMap((id) => methodIfLoaded(id) ?? []);
}

/** Returns the method with this id. If there is none, throws `UsageError` with the nearest name. */
export function methodById(id: string): Method {
  const found = methodIfLoaded(id);
  if (found) return found;
  const ids = methodIds();
  throw new UsageError(`There is no method "${id}"`, {
    code: 'method/unknown',
    hint: `${suggestion(id, ids)}Known are ${ids.join(', ')}.`,
  });
}

/**
 * The methods that `auto` is compared with, in order. They are not candidates of `auto`: by left-out examples, a cache was either never the
 * best, or flattered because it is tuned on the same examples.
 */
export function baselineMethods(): Method[] {
  return listMethods()
    .filter(({ baseline }) => baseline !== undefined)
    .sort((a, b) => Number(a.baseline) - Number(b.baseline));
}
