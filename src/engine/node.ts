import { fork } from 'node:child_process';
import { availableParallelism } from 'node:os';
import { fileURLToPath } from 'node:url';
import { closable } from '../closable.ts';
import { EXTENSION, FLAGS } from '../own-programs.ts';
import { DEVICES, type Device, type EngineOptions } from './device.ts';
import { threadedKeyCache } from './keys/threaded-cache.ts';
import { startThread, withoutTelemetry } from './node-thread.ts';
import { chooseRuntime, giveUpNative, installedRuntime } from './onnxruntime.ts';
import { sharedEngineBy } from './shared.ts';
import { type Platform, threadedEngine } from './threaded-engine.ts';
import type { Engine } from './types.ts';

const program = new URL(`./worker${EXTENSION}`, import.meta.url);
const start: Platform['start'] = (events) => startThread(program, events);

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
 * Returns the reason why a device cannot be used here; undefined if it can. The device is tried in a process of its own, because a driver
 * may print, and a broken driver may end the process.
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
