import type { InferenceSession } from 'onnxruntime-node';
import type { Settings } from './protocol.ts';

/** A session of ONNX Runtime. */
export interface LoadedModel {
  readonly session: InferenceSession;
  /** The model that it was made from. Absent for large models, which an open session need not hold in memory. */
  readonly source?: { readonly model: Uint8Array; readonly settings: string };
  /** Bytes of the largest inputs and outputs of a run. */
  largest: number;
}

/** Number of sessions that are kept: more than a search of one method uses. Each has its own threads, which sleep. */
const MOST = 12;
/** Models and runs above these sizes are not kept, because they may hold much memory. Graphs of this library have a few kilobytes. */
const LARGEST_MODEL = 1 << 16;
const LARGEST_RUN = 1 << 24;

/**
 * Sessions, of which closed ones wait for the same model. Searches open and close the same small graphs for each fold and candidate, and
 * opening one, with its threads, takes longer than most runs. Only models that are bytes wait: they hold all of their weights, and a file may
 * have changed. Sessions that wait are freed when the engine's thread ends.
 */
export function createIdleSessions() {
  const idle: LoadedModel[] = [];
  return {
    /** A session that waits for this model, or the one that `create` makes. */
    async open(
      model: Uint8Array | string,
      settings: Settings,
      create: () => Promise<InferenceSession>,
    ): Promise<LoadedModel> {
      if (typeof model === 'string' || model.length > LARGEST_MODEL)
        return { session: await create(), largest: 0 };
      const source = { model, settings: JSON.stringify(settings) };
      const at = idle.findIndex((one) => isSame(one.source!, source));
      return at < 0 ? { session: await create(), source, largest: 0 } : idle.splice(at, 1)[0]!;
    },
    /** Keeps a closed session, or frees it; the one that has waited longest makes room. */
    async put(loaded: LoadedModel): Promise<void> {
      if (!loaded.source || loaded.largest > LARGEST_RUN) {
        await loaded.session.release();
        return;
      }
      idle.push(loaded);
      if (idle.length > MOST) await idle.shift()?.session.release();
    },
  };
}

type Source = NonNullable<LoadedModel['source']>;

function isSame(a: Source, b: Source): boolean {
  return (
    a.settings === b.settings &&
    a.model.length === b.model.length &&
    a.model.every((byte, i) => byte === b.model[i])
  );
}
