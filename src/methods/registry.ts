import { UsageError } from '../errors.ts';
import { loadPart } from '../load-part.ts';
import { keepLoaded, loadedMethods, methodIfLoaded } from './loaded.ts';
import { type Method, STACK } from './method.ts';

/**
 * The built-in methods, in the order of the papers' tables. Each is loaded when it is used, so that a page or a prediction loads only the
 * methods of its classifier. `list.ts` loads all of them, for whoever chooses among them.
 */
const builtIn: ReadonlyMap<string, () => Promise<Method>> = new Map(
  Object.entries({
    'zero-shot': async () => (await import('./zero-shot.ts')).zeroShot,
    'visual-only': async () => (await import('./visual-only.ts')).visualOnly,
    'linear-probe': async () => (await import('./linear-probe.ts')).linearProbe,
    'clip-adapter': async () => (await import('./clip-adapter.ts')).clipAdapter,
    rla: async () => (await import('./rla.ts')).rla,
    prolip: async () => (await import('./prolip.ts')).proLip,
    'tip-adapter': async () => (await import('./tip-adapter.ts')).tipAdapter,
    'tip-adapter-f': async () => (await import('./tip-adapter-f.ts')).tipAdapterF,
    'tip-adapter-low-rank': async () => (await import('./tip-adapter-low-rank.ts')).tipAdapterLowRank,
    'tip-adapter-sketch': async () => (await import('./tip-adapter-sketch.ts')).tipAdapterSketch,
    prototype: async () => (await import('./prototype.ts')).prototype,
    anchored: async () => (await import('./anchored.ts')).anchored,
    whitened: async () => (await import('./whitened.ts')).whitened,
    gda: async () => (await import('./gda.ts')).gda,
    ridge: async () => (await import('./ridge.ts')).ridge,
    proker: async () => (await import('./proker.ts')).proker,
    'proker-random-features': async () => (await import('./proker-random-features.ts')).prokerRandomFeatures,
    rehark: async () => (await import('./rehark.ts')).reHark,
    ape: async () => (await import('./ape.ts')).ape,
    'tip-x': async () => (await import('./tip-x.ts')).tipX,
    timo: async () => (await import('./timo.ts')).timo,
    taskres: async () => (await import('./taskres.ts')).taskRes,
    'cross-modal': async () => (await import('./cross-modal.ts')).crossModal,
    clap: async () => (await import('./clap.ts')).clap,
    'lp-plus-plus': async () => (await import('./lp-plus-plus.ts')).lpPlusPlus,
    'ape-t': async () => (await import('./ape-t.ts')).apeT,
    coop: async () => (await import('./coop.ts')).coOp,
    cocoop: async () => (await import('./cocoop.ts')).coCoOp,
    kgcoop: async () => (await import('./kgcoop.ts')).kgCoOp,
  }),
);

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

/** The methods that are made of others by `auto`, and cannot be chosen by name. */
const composite: typeof builtIn = new Map(
  Object.entries({
    'class-balance': async () => (await import('./class-balance.ts')).classBalance,
    [STACK]: async () => (await import('./stack.ts')).stack,
  }),
);

/** Loads a built-in method, and those that it is made of by its options. */
export async function loadMethod(id: string, options: Readonly<Record<string, unknown>>): Promise<void> {
  await Promise.all(
    methodsIn(id, options).map(async (each) => {
      const load = builtIn.get(each) ?? composite.get(each);
      if (load && !methodIfLoaded(each)) keepLoaded([await loadPart(load)]);
    }),
  );
}

/** The ids of a method and, if it is a stack, of the methods that it is made of by its options. */
export function methodsIn(id: string, { parts }: Readonly<Record<string, unknown>>): string[] {
  return id === STACK && typeof parts === 'object' ? [id, ...Object.keys(parts ?? {})] : [id];
}

/** The ids of all methods that can be chosen by name: first the built-in ones, then the registered ones. */
export function methodIds(): string[] {
  const registered = loadedMethods().filter(({ id, composite }) => !composite && !builtIn.has(id));
  return [...builtIn.keys(), ...registered.map(({ id }) => id)];
}

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
  const isTaken = isBuiltIn(method.id) || methodIfLoaded(method.id);
  if (isTaken && methodIfLoaded(method.id) !== method) {
    throw new UsageError(`There are two methods "${method.id}"`, {
      code: 'method/taken',
      hint: 'Give one of the two methods another id.',
      details: { id: method.id },
    });
  }
  keepLoaded([method]);
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
    .filter(([id]) => id === method || (method === 'auto' && methodIfLoaded(id)?.auto))
    .map(([, sha256]) => sha256)
    .sort();
}

/** Whether the method is one of this package, which every thread and process knows. */
export function isBuiltIn(id: string): boolean {
  return builtIn.has(id) || composite.has(id);
}
