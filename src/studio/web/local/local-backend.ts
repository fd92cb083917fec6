import { samplePathToTry } from '../../sample.ts';
import { SAMPLES } from '../../studio-site.ts';
import { ApiError, type Backend, type Problem } from '../api.ts';
import { CALLS, type Calls, type Told } from './protocol.ts';

interface Waiting {
  resolve(value: unknown): void;
  reject(error: Error): void;
}

/** A worker of the page, which keeps everything in this browser. `site` is the URL of the page's folder. */
export function localBackend(site: string): Backend {
  const worker = new Worker(new URL('./worker.ts', import.meta.url), { type: 'module' });
  const waiting = new Map<number, Waiting>();
  const queue: object[] = [];
  let serial = 0;
  /** The open project's folder in the browser's storage. */
  let folder: string | undefined;
  let broken: Problem | undefined;
  const events: Parameters<Backend['follow']>[0][] = [];

  const fail = (problem: Problem) => {
    broken = problem;
    for (const { reject } of waiting.values()) reject(new ApiError(500, problem));
    waiting.clear();
    for (const { onProblem } of events) onProblem(problem);
  };
  worker.onerror = (event) => {
    event.preventDefault();
    const why = event.message || 'its file cannot be loaded';
    fail({
      code: 'studio/worker',
      message: `The studio's worker ended: ${why}`,
      hint: 'Load the page again. Everything that it showed as saved is kept.',
    });
  };
  worker.onmessage = ({ data }: MessageEvent<Told>) => {
    if ('state' in data) for (const { onStatus } of events) onStatus(data.state);
    else if ('note' in data) for (const { onProblem } of events) onProblem(data.note);
    else if ('isElsewhere' in data) for (const { onCut } of events) onCut();
    else if ('opened' in data) {
      const isFirst = folder === undefined;
      folder = data.opened;
      for (const asked of queue.splice(0)) worker.postMessage(asked);
      if (isFirst) for (const { onOpen } of events) onOpen();
    } else if (!('id' in data)) fail(data.problem);
    else {
      const one = waiting.get(data.id);
      waiting.delete(data.id);
      if ('problem' in data) one?.reject(new ApiError(data.status, data.problem));
      else one?.resolve(data.value);
    }
  };
  worker.postMessage({ site });

  const call =
    (name: string) =>
    (...given: unknown[]) =>
      new Promise((resolve, reject) => {
        if (broken) return reject(new ApiError(500, broken));
        const asked = { id: serial++, call: name, given };
        waiting.set(asked.id, { resolve, reject });
        // Until the studio is open, calls wait.
        if (folder === undefined) queue.push(asked);
        else worker.postMessage(asked);
      });
  const calls = Object.fromEntries(CALLS.map((name) => [name, call(name)])) as unknown as Calls;
  const tellPersistence = (isKept: boolean) => {
    for (const { onStorage } of events) onStorage(isKept);
  };
  /** Asks, once, that the browser does not remove everything when the disk is nearly full. */
  let asked: Promise<void> | undefined;
  const persistence = () => {
    asked ??= navigator.storage.persist().then(tellPersistence);
    return asked;
  };
  const stored = (part: string) => `./stored/${folder}/${part}`;
  return {
    ...calls,
    hasProgram: false,
    isThere: async () => true,
    follow(wanted) {
      events.push(wanted);
      void navigator.storage.persisted().then(tellPersistence);
    },
    keep(name, picture) {
      void persistence();
      return calls.keep(name, picture);
    },
    keepZip(name, zip) {
      void persistence();
      return calls.keepZip(name, zip);
    },
    sample() {
      void persistence();
      return calls.sample();
    },
    preview: notHere,
    answerUpgrade: notHere,
    networkAddresses: async () => [],
    openToPhone: notHere,
    closeToPhone: notHere,
    exportUrl: () => undefined,
    sampleUrl: (thing) => `./${SAMPLES}${samplePathToTry(thing)}`,
    previewUrl: (hash) => stored(`pictures/${hash}`),
    thumbnailUrl: (hash) => stored(`thumbnails/${hash}.jpg`),
  };
}

const notHere = () =>
  Promise.reject(
    new ApiError(400, { code: 'studio/not-here', message: 'The studio on a web server cannot do this' }),
  );
