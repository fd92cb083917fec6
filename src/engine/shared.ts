import { UsageError } from '../errors.ts';
import type { Engine } from './types.ts';

let shared: Engine | undefined;
let platform: (() => Engine) | undefined;

/** Returns the engine that the whole program shares and that is used wherever no other is given; the first call makes it. */
export function sharedEngine(): Engine {
  shared ??= platform?.();
  if (shared) return shared;
  throw new UsageError('No engine was set', {
    code: 'engine/none',
    hint: 'Import tip-adapter/engine, which sets one, or call setSharedEngine first.',
  });
}

/** Replaces the shared engine; call it before the work that uses it. */
export function setSharedEngine(engine: Engine): void {
  shared = engine;
}

/** Sets how the shared engine is made if none is set. The modules of a platform call it, so that the code that computes names none. */
export function sharedEngineBy(create: () => Engine): void {
  platform = create;
}
