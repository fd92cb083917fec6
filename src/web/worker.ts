import { createHost } from './host.ts';
import { type Asked, sentError, type Told } from './protocol.ts';

// ONNX Runtime starts its own file anew for each of its threads. In a bundle of one file that is this file, and the runtime would wait for ever.
// The page gets no text of this error, so the hint in connection.ts names the case.
if (self.name.startsWith('em-pthread')) throw new Error('This worker is no thread of ONNX Runtime');

/** The worker of `open`: it answers calls, each in its own time, so that an abort reaches a call that runs. */
const tell = (told: Told, transfer: Transferable[] = []) => self.postMessage(told, { transfer });
const host = createHost((line, code) => tell({ note: line, code }));
const running = new Map<number, AbortController>();

self.onmessage = async ({ data }: MessageEvent<Asked>) => {
  if ('abort' in data) return running.get(data.abort)?.abort();
  if ('release' in data) return host.release(data.release);
  const { id, call, given } = data;
  const stop = new AbortController();
  running.set(id, stop);
  const work = {
    signal: stop.signal,
    onDownload: (download: Extract<Told, { download: unknown }>['download']) => tell({ id, download }),
    onProgress: (pictures: Extract<Told, { pictures: unknown }>['pictures']) => tell({ id, pictures }),
  };
  try {
    const value = await (host[call] as (...all: unknown[]) => Promise<unknown>)(work, ...given);
    tell({ id, value }, value instanceof Uint8Array ? [value.buffer as ArrayBuffer] : []);
  } catch (error) {
    tell({ id, failed: sentError(error) });
  } finally {
    running.delete(id);
  }
};
