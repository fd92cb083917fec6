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
import { lpPlusPlus } from './lp-plus-plus.ts';
import type { Method } from './method.ts';
import { proker } from './proker.ts';
import { prokerRandomFeatures } from './proker-random-features.ts';
import { proLip } from './prolip.ts';
import { prototype } from './prototype.ts';
import { reHark } from './rehark.ts';
import { ridge } from './ridge.ts';
import { rla } from './rla.ts';
import { stackOf } from './stack.ts';
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

const builtIn: readonly Method[] = [
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
];

/** The fields that an object needs to be a method. */
const PARTS = [
  ['id', 'string'],
  ['needs', 'object'],
  ['options', 'object'],
  ['fit', 'function'],
  ['holds', 'function'],
  ['prepare', 'function'],
  ['terms', 'function'],
] as const;

const known = new Map<string, Method>();
const stack = stackOf(() => [...listMethods(), classBalance]);
for (const method of [...builtIn, classBalance, stack]) known.set(method.id, method);

/**
 * Adds a method for this process. From then on `fit`, saved classifiers and benchmarks find it by its id. Throws `UsageError` if another
 * method has this id.
 */
export function registerMethod<M extends Method>(method: M): M {
  const missing = PARTS.find(([name, type]) => typeof method?.[name] !== type);
  if (missing) {
    throw new UsageError(`A method needs ${missing[0]}, a ${missing[1]}`, {
      code: 'method/parts',
      hint: 'Make it with defineMethod.',
    });
  }
  const other = known.get(method.id);
  if (other !== undefined && other !== method) {
    throw new UsageError(`There are two methods "${method.id}"`, {
      code: 'method/taken',
      hint: 'Give one of the two methods another id.',
      details: { id: method.id },
    });
  }
  known.set(method.id, method);
  return method;
}

/** Sha256 (hex) of the module's file, for each method that was imported from a module. */
const modules = new Map<string, string>();

/** Keeps the sha256 (hex) of the file that a method was imported from. */
export function keepModule(id: string, sha256: string): void {
  // A second import returns the module of the first one, also if the file was changed in between.
  if (!modules.has(id)) modules.set(id, sha256);
}

/** The sha256 (hex) of the imported files that decide a fit of this method: its own, or those of the methods that `auto` chooses from. */
export function modulesOf(method: string): string[] {
  return [...modules]
    .filter(([id]) => id === method || (method === 'auto' && known.get(id)?.auto))
    .map(([, sha256]) => sha256)
    .sort();
}

/** The methods that can be chosen by name: first the built-in ones in the order of the papers' tables, then the registered ones. */
export function listMethods(): readonly Method[] {
  return [...known.values()].filter(({ composite }) => !composite);
}

/** Whether the method is one of this package, which every thread and process knows. */
export function isBuiltIn(id: string): boolean {
  return builtIn.some((method) => method.id === id);
}

/** Returns the method with this id, if there is one. */
export function methodIfKnown(id: string): Method | undefined {
  return known.get(id);
}

/** Returns the method with this id. If there is none, throws `UsageError` with the nearest name. */
export function methodById(id: string): Method {
  const found = known.get(id);
  if (found) return found;
  const ids = listMethods().map((method) => method.id);
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
