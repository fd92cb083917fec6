import { fork } from 'node:child_process';
import { availableParallelism } from 'node:os';
import { extname } from 'node:path';
import { fileURLToPath } from 'node:url';
import { Worker } from 'node:worker_threads';
import { closable } from '../closable.ts';
import type { Thread, ThreadEvents } from './channel.ts';
import { DEVICES, type Device, type EngineOptions } from './device.ts';
import { chooseRuntime, giveUpNative, installedRuntime } from './onnxruntime.ts';
import { type Answer, BUSY, ENDING } from './protocol.ts';
import { sharedBy, threadedEngine } from './threaded-engine.ts';
import type { Engine } from './types.ts';

const EXTENSION = extname(import.meta.url);

/** A program's own flags are not for its threads (`--input-type` would end them), but TypeScript needs its loader. */
const FLAGS = EXTENSION === '.ts' ? undefined : [];

/**
 * Reserved, not used: ONNX Runtime 1.30 on Linux matches a regular expression against the program's whole command line when
 * its first session is made, and recurses about 270 bytes for each character. `predict model.safetensors *.jpg` with a few
 * hundred photos overflows a thread's usual 4 MB and ends the process; this holds the longest command line there can be.
 */
const STACK_MB = 600;

const NEEDS_NATIVE = "it needs ONNX Runtime's native build";

/**
 * An engine on ONNX Runtime, in a worker thread that starts at the first use and never keeps a program alive. On the CPU by
 * default; other devices are experimental. The native build is downloaded from npm where it is not on the machine; where it
 * cannot be had, `note` is told so and the build in WebAssembly computes.
 */
export function createEngine(options: EngineOptions = {}): Engine & AsyncDisposable {
  const { threads = availableParallelism(), note = (line) => console.warn(line) } = options;
  const native = async (error?: unknown) =>
    (await (error ? giveUpNative(error, note) : chooseRuntime({ note }))).native;
  const refusal = async (device: Device) => {
    const folder = await native();
    return folder === undefined ? NEEDS_NATIVE : deviceRefusal(device, folder);
  };
  return closable(threadedEngine({ start, settings: { threads }, native, files: true, refusal }, options));
}

/**
 * From 1.29 on, ONNX Runtime's builds for Linux and macOS tell Microsoft what they run, and leave a log of each process in the folder
 * for temporary files. They look at the process's environment, which a thread has a copy of: it is set before the thread starts.
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
 * The state of a thread, shared with it. A thread that is stopped inside ONNX Runtime 1.30 takes the whole process with it
 * (`terminate called after throwing an instance of 'Napi::Error'`, SIGABRT), and a process that ends stops its threads: Ctrl-C
 * would end in that. So the process waits for what is being computed, and nothing else is begun.
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
 * Why a device cannot be used here; undefined where it can. Tried in a process of its own: a driver may print, and a broken
 * one may end the process that tries it.
 */
async function deviceRefusal(device: Device, native: string): Promise<string | undefined> {
  withoutTelemetry();
  const program = fileURLToPath(new URL(`./device-probe${EXTENSION}`, import.meta.url));
  const probe = fork(program, [device, native], {
    execArgv: FLAGS,
    stdio: ['ignore', 'ignore', 'ignore', 'ipc'],
  });
  return new Promise((resolve) => {
    let refused: string | undefined = 'it ends the process that tries it';
    probe.on('message', (answer: { refused?: string }) => {
      refused = answer.refused;
    });
    probe.on('error', (error) => resolve(error.message));
    probe.on('close', () => resolve(refused));
  });
}

/** The native build that is on this machine, and why it does not load where it does not. Nothing is downloaded. */
export async function examineRuntime(): Promise<
  { version: string; native: string; refused?: string } | undefined
> {
  const { version, native } = installedRuntime() ?? {};
  return version && native ? { version, native, refused: await deviceRefusal('cpu', native) } : undefined;
}

/** Every device, and why it cannot be used where it cannot. Nothing is downloaded. */
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

/**
 * `sharedEngine()` gives the engine that everything computes on unless it is given one; it is made at the first call.
 * `setSharedEngine(engine)` puts another in its place.
 */
export const { sharedEngine, setSharedEngine } = sharedBy(createEngine);
