import { Worker } from 'node:worker_threads';
import { FLAGS } from '../own-programs.ts';
import { BUSY, ENDING } from './protocol.ts';

/**
 * Stack of the thread, which is reserved and not used: ONNX Runtime 1.30 on Linux matches a regular expression against the program's
 * whole command line when it makes its first session. The recursion takes about 270 bytes for each character, so
 * `predict model.safetensors *.jpg` with a few hundred photos overflows the usual 4 MB and ends the process. 600 MB suffice
 * for the longest command line that Linux allows.
 */
const STACK_MB = 600;

/**
 * Turns telemetry off. From 1.29 on, ONNX Runtime's builds for Linux and macOS report to Microsoft what they run, and leave a log of
 * each process in the folder for temporary files. They read the process's environment, so it is set before the thread starts: a
 * thread has only a copy.
 */
export function withoutTelemetry(): void {
  process.env.ORT_DISABLE_TELEMETRY ??= '1';
}

/** A thread of the program, and what it is told by. */
export interface NodeThread<Message> {
  post(message: Message, transfer?: readonly ArrayBuffer[]): void;
  /** Keeps the program alive while the thread is busy, or lets it end. */
  hold(busy: boolean): void;
  /** Ends the thread after the messages that it has. */
  end(): Promise<void>;
}

/** Starts a thread that may use ONNX Runtime: a program that calls `serveThread`. */
export function startThread<Message, Answer>(
  program: URL,
  { answer, died }: { answer(answer: Answer): void; died(reason: string, outOfMemory?: boolean): void },
): NodeThread<Message> {
  withoutTelemetry();
  const state = watchExit();
  const worker = new Worker(program, {
    workerData: state,
    execArgv: FLAGS,
    resourceLimits: { stackSizeMb: STACK_MB },
  });
  worker.on('message', (message: Answer) => answer(message));
  worker.on('error', (error: NodeJS.ErrnoException) =>
    died(error.message, error.code === 'ERR_WORKER_OUT_OF_MEMORY'),
  );
  worker.on('exit', (code) => {
    states.delete(state);
    died(`its thread ended with status ${code}`);
  });
  return {
    post: (message, transfer = []) => worker.postMessage(message, transfer as ArrayBuffer[]),
    hold: (busy) => (busy ? worker.ref() : worker.unref()),
    end: () =>
      new Promise((resolve) => {
        worker.once('exit', () => resolve());
        worker.ref();
        worker.postMessage('end');
      }),
  };
}

const states = new Set<Int32Array>();
let watching = false;
const LONGEST_RUN_MS = 10_000;

/**
 * State shared with the thread, so that the process can end cleanly. If a thread is stopped inside ONNX Runtime 1.30, the whole
 * process aborts (`terminate called after throwing an instance of 'Napi::Error'`, SIGABRT). A process that ends stops its threads,
 * so Ctrl-C would abort. The process therefore waits for the running computation, and the thread begins no other.
 */
function watchExit(): Int32Array {
  if (!watching) process.once('exit', awaitRuns);
  watching = true;
  const state = new Int32Array(new SharedArrayBuffer(8));
  states.add(state);
  return state;
}

function awaitRuns(): void {
  for (const state of states) Atomics.store(state, ENDING, 1);
  const deadline = performance.now() + LONGEST_RUN_MS;
  for (const state of states) {
    for (let busy = Atomics.load(state, BUSY); busy > 0; busy = Atomics.load(state, BUSY)) {
      if (Atomics.wait(state, BUSY, busy, deadline - performance.now()) === 'timed-out') break;
    }
  }
}
