import type { InferenceSession } from 'onnxruntime-node';
import type { Settings } from './protocol.ts';

/** A session of ONNX Runtime with the model that it was made from. */
export interface LoadedModel {
  readonly model: Uint8Array | string;
  readonly settings: Settings;
  readonly session: InferenceSession;
  /** Bytes of the largest inputs and outputs of a run. */
  largest: number;
}

/** Number of sessions that are kept: more than a search of one method uses. Each has its own threads, which sleep. */
const MOST = 12;
/** Models and runs above these sizes are not kept, because they may hold much memory. Graphs of this library have a few kilobytes. */
const LARGEST_MODEL = 1 << 16;
const LARGEST_RUN = 1 << 24;

/**
 * Closed sessions that wait for the same model. Searches open and close the same small graphs for each fold and candidate, and opening one,
 * with its threads, takes longer than most runs.
 */
export function createIdleSessions() {
  const idle: LoadedModel[] = [];
  return {
    /** Removes and returns a session of this model. */
    take(model: Uint8Array | string, settings: Settings): LoadedModel | undefined {
      const at = idle.findIndex((one) => isSameModel(one.model, model) && isSame(one.settings, settings));
      return at < 0 ? undefined : idle.splice(at, 1)[0];
    },
    /** Keeps a closed session, or frees it; the one that has waited longest makes room. */
    async put(loaded: LoadedModel): Promise<void> {
      const { model, largest, session } = loaded;
      if (typeof model === 'string' || model.length > LARGEST_MODEL || largest > LARGEST_RUN) {
        await session.release();
        return;
      }
      idle.push(loaded);
      if (idle.length > MOST) await idle.shift()?.session.release();
    },
  };
}

function isSameModel(a: Uint8Array | string, b: Uint8Array | string): boolean {
  if (typeof a === 'string' || typeof b === 'string') return false;
  return a.length === b.length && a.every((byte, i) => byte === b[i]);
}

function isSame(a: Settings, b: Settings): boolean {
  return JSON.stringify(a) === JSON.stringify(b);
}
