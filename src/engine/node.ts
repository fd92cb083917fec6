import { fork } from 'node:child_process';
import { availableParallelism } from 'node:os';
import { extname } from 'node:path';
import { fileURLToPath } from 'node:url';
import { Worker } from 'node:worker_threads';
import { closable } from '../closable.ts';
import type { Thread, ThreadEvents } from './channel.ts';
import { DEVICES, type Device, type EngineOptions } from './device.ts';
import { threadedKeyCache } from './keys/threaded-cache.ts';
import { chooseRuntime, giveUpNative, installedRuntime } from './onnxruntime.ts';
import { type Answer, BUSY, ENDING } from './protocol.ts';
import { sharedEngineBy } from './shared.ts';
import { threadedEngine } from './threaded-engine.ts';
import type { Engine } from './types.ts';

const EXTENSION = extname(import.meta.url);

/** Threads do not get the program's own flags, because `--input-type` would end them. From TypeScript sources they do, for the loader. */
const FLAGS = EXTENSION === '.ts' ? undefined : [];

/**
 * Stack of the thread, which is reserved and not used: ONNX Runtime 1.30 on Linux matches a regular expression against the program's
 * whole command line when it makes its first session. The recursion takes about 270 bytes for each character, so
 * `predict model.safetensors *.jpg` with a few hundred photos overflows the usual 4 MB and ends the process. 600 MB suffice
 * for the longest command line that Linux allows.
 */
const STACK_MB = 600;

const NEEDS_NATIVE = "it needs ONNX Runtime's native build";

/**
 * An engine on ONNX Runtime, in a worker thread that starts at the first use and does not keep the program alive while idle. It
 * computes on the CPU by default; other devices are experimental. If the native build is not on the machine, it is downloaded from
 * npm. If the download fails, `note` is called and the WebAssembly build computes.
 */
export function createEngine(options: EngineOptions = {}): Engine & AsyncDisposable {
  const { threads = availableParallelism(), note = (line) => console.warn(line) } = options;
  const native = async (error?: unknown) =>
    (await (error ? giveUpNative(error, note) : chooseRuntime({ note }))).native;
  const refusal = async (device: Device) => {
    const folder = await native();
    return folder === undefined ? NEEDS_NATIVE : deviceRefusal(device, folder);
  };
  return closable(
    threadedEngine(
      {
        start,
        settings: { threads },
        native,
        openKeys: threadedKeyCache,
        readsWeights: true,
        refusal,
      },
      options,
    ),
  );
}

/**
 * Turns telemetry off. From 1.29 on, ONNX Runtime's builds for Linux and macOS report to Microsoft what they run, and leave a log of
 * each process in the folder for temporary files. They read the process's environment, so it is set before the thread starts: a
 * thread has only a copy.
 */
function withoutTelemetry(): void {
  process.env.ORT_DISABLE_TELEMETRY ??= '1';
}

function start({ answer, died }: ThreadEvents): Thread {
  withoutTelemetry();
  const state = watchExit();
  const worker = new Worker(new URL(`./worker${EXTENSION}`, import.meta.url), {
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
    post: (request, transfer) => worker.postMessage(request, transfer as ArrayBuffer[]),
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

/**
 * Why a device cannot be used here; undefined if it can. The device is tried in a process of its own, because a driver may
 * print, and a broken driver may end the process.
 */
async function deviceRefusal(device: Device, native: string): Promise<string | undefined> {
  withoutTelemetry();
  const program = fileURLToPath(new URL(`./device-probe${EXTENSION}`, import.meta.url));
  const probe = fork(program, [device, native], {
    execArgv: FLAGS,
    stdio: ['ignore', 'ignore', 'ignore', 'ipc'],
  });
  return new Promise((resolve) => {
    let refused: string | undefined = 'the process that tried it ended';
    probe.on('message', (answer: { refused?: string }) => {
      refused = answer.refused;
    });
    probe.on('error', (error) => resolve(error.message));
    probe.on('close', () => resolve(refused));
  });
}

/** The native build that is on this machine and, if it does not load, the reason. Nothing is downloaded. */
export async function examineRuntime(): Promise<
  { version: string; native: string; refused?: string } | undefined
> {
  const { version, native } = installedRuntime() ?? {};
  return version && native ? { version, native, refused: await deviceRefusal('cpu', native) } : undefined;
}

/** Tries every device; `refused` is the reason why one cannot be used here, undefined if it can. Nothing is downloaded. */
export function examineDevices(): Promise<{ device: Device; refused?: string }[]> {
  const native = installedRuntime()?.native;
  const refusal = (device: Device) =>
    native === undefined ? Promise.resolve(NEEDS_NATIVE) : deviceRefusal(device, native);
  return Promise.all(
    DEVICES.map(async (device) => ({
      device,
      refused: device === 'cpu' ? undefined : await refusal(device),
    })),
  );
}

sharedEngineBy(createEngine);
