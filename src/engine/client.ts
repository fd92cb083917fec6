import { onAbort } from '../abort.ts';
import { InterruptedError, ModelError } from '../errors.ts';
import { toOnnx } from '../graph/onnx.ts';
import type { Tensor } from '../math/tensor.ts';
import { type Device, type EngineOptions, refusalOf } from './device.ts';
import type { Answer, Request, Settings } from './protocol.ts';
import { type BlockPlan, mapPlan, planTraining } from './training/plan.ts';
import type { Shard } from './training/shard.ts';
import { createShardedTrainer, shardData } from './training/sharded.ts';
import { dataOf } from './training/trainer.ts';
import type {
  Run,
  StepResult,
  Trainer,
  TrainingData,
  TrainingSpec,
  TrainingState,
} from './training/types.ts';
import type { Engine, PortInfo, RunOptions, Session } from './types.ts';

type Without<R, K extends string> = R extends Request ? Omit<R, K> : never;

/** A thread that owns a runtime, as the engine sees it. */
export interface Thread {
  post(request: Request, transfer: readonly ArrayBuffer[]): void;
  /** Whether the program stays alive for it. */
  hold?(busy: boolean): void;
  end(): Promise<void>;
}

export interface ThreadEvents {
  answer(answer: Answer): void;
  /** The thread is gone; `outOfMemory` where that is known to be the reason. */
  died(reason: string, outOfMemory?: boolean): void;
}

/** What differs between Node and a page. */
export interface Platform {
  start(events: ThreadEvents): Thread;
  readonly settings: Omit<Settings, 'device'>;
  /** Why a device cannot be used, asked once before its first use; undefined where it may be tried. */
  refusal?(device: Device): Promise<string | undefined>;
}

interface Pending {
  resolve(answer: Answer): void;
  reject(error: Error): void;
}

/** A thread that can hold a part of a training. */
interface ShardHost {
  shard(plan: BlockPlan<Uint8Array>, data: TrainingData, signal?: AbortSignal): Promise<Shard>;
}

/**
 * An engine on a thread that starts at the first use. A thread that dies rejects what was running and is replaced: sessions
 * load themselves again at their next use.
 */
export function engineOn(
  platform: Platform,
  { device = 'cpu', note = (line) => console.warn(line) }: EngineOptions,
): Engine & ShardHost {
  let thread: Thread | undefined;
  let generation = 0;
  let serial = 0;
  let chosen: Promise<Device> | undefined;
  const pending = new Map<number, Pending>();

  function fail(reason: string, outOfMemory = false): void {
    thread = undefined;
    generation++;
    const error = new ModelError(`The engine stopped: ${reason}`, {
      code: outOfMemory ? 'engine/memory' : 'engine/stopped',
      hint: 'The model may need more memory than there is. The program can go on; the failed step can be tried again.',
    });
    for (const { reject } of pending.values()) reject(error);
    pending.clear();
  }

  function start(): Thread {
    const own: Thread = platform.start({
      answer(answer) {
        const waiting = pending.get(answer.id);
        pending.delete(answer.id);
        if (pending.size === 0) own.hold?.(false);
        if ('error' in answer) {
          const { error, code = 'engine/runtime', hint } = answer;
          waiting?.reject(new ModelError(error, { code, hint }));
        } else waiting?.resolve(answer);
      },
      died: (reason, outOfMemory) => thread === own && fail(reason, outOfMemory),
    });
    return own;
  }

  function send(
    request: Without<Request, 'id'>,
    transfer: readonly ArrayBuffer[] = [],
    signal?: AbortSignal,
  ): Promise<Answer> {
    if (signal?.aborted) return Promise.reject(new InterruptedError());
    thread ??= start();
    const own = thread;
    return new Promise<Answer>((resolve, reject) => {
      const id = serial++;
      const stop = () => {
        pending.delete(id);
        if (pending.size === 0) own.hold?.(false);
        reject(new InterruptedError());
      };
      const done = onAbort(signal, stop);
      pending.set(id, {
        resolve: (answer) => {
          done();
          resolve(answer);
        },
        reject: (error) => {
          done();
          reject(error);
        },
      });
      own.hold?.(true);
      own.post({ ...request, id }, transfer);
    });
  }

  function onCpu(reason: string): Device {
    note(`Device ${device} cannot be used (${refusalOf(reason)}); the CPU does the work`);
    return 'cpu';
  }

  async function choose(): Promise<Device> {
    const reason = await platform.refusal?.(device);
    return reason === undefined ? device : onCpu(reason);
  }

  /** Sends models to the device, and to the CPU where only that accepts them: from then on, all. */
  async function prepare(
    request: Without<Extract<Request, { kind: 'load' | 'train' }>, 'id' | 'settings'>,
    signal?: AbortSignal,
  ): Promise<Answer> {
    chosen ??= device === 'cpu' ? Promise.resolve(device) : choose();
    const used = await chosen;
    const on = (on: Device) =>
      send({ ...request, settings: { ...platform.settings, device: on } }, [], signal);
    try {
      return await on(used);
    } catch (error) {
      if (used === 'cpu' || error instanceof InterruptedError) throw error;
      const answer = await on('cpu');
      if ((await chosen) === used) chosen = Promise.resolve(onCpu((error as Error).message));
      return answer;
    }
  }

  async function load(model: Uint8Array | string): Promise<Session> {
    const session = serial++;
    let kept: Record<string, Tensor> = {};
    let loaded = -1;
    let ports: { inputs: PortInfo[]; outputs: PortInfo[] } | undefined;

    async function ready(): Promise<void> {
      if (loaded === generation && thread) return;
      const answer = await prepare({ kind: 'load', session, model });
      if ('ports' in answer) ports = answer.ports;
      loaded = generation;
      if (Object.keys(kept).length > 0) await send({ kind: 'keep', session, feeds: kept });
    }

    await ready();
    const { inputs, outputs } = ports as { inputs: PortInfo[]; outputs: PortInfo[] };
    return {
      inputs,
      outputs,
      run: async (feeds, { outputs: wanted, signal, transfer = [] }: RunOptions = {}) => {
        await ready();
        const own = detach(feeds);
        const request = { kind: 'run', session, feeds: own.feeds, outputs: wanted } as const;
        const answer = await send(request, [...transfer, ...own.buffers], signal);
        return 'tensors' in answer ? answer.tensors : {};
      },
      keep: async (feeds) => {
        kept = { ...kept, ...feeds };
        await ready();
        await send({ kind: 'keep', session, feeds });
      },
      close: async () => {
        if (loaded === generation && thread) await send({ kind: 'close', session });
      },
    };
  }

  async function train(spec: TrainingSpec, signal?: AbortSignal): Promise<Trainer> {
    const { loss, blocks } = mapPlan(planTraining(spec), (graph) => toOnnx(graph));
    const data = dataOf(spec);
    if (blocks) return trainSharded(loss, blocks, data, signal);
    const trainer = serial++;
    await prepare({ kind: 'train', trainer, loss, data }, signal);
    return {
      step: async (feeds, rate) => {
        const own = detach(feeds);
        const request = { kind: 'train-step', trainer, feeds: own.feeds, rate } as const;
        return ((await send(request, own.buffers, signal)) as { result: StepResult }).result;
      },
      read: async () => ((await send({ kind: 'train-read', trainer })) as { state: TrainingState }).state,
      close: async () => {
        if (thread) await send({ kind: 'train-close', trainer });
      },
    };
  }

  /** Each core has a thread of its own with some of the blocks: everything in a step is shared out, not the products alone. */
  async function trainSharded(
    loss: Uint8Array,
    plan: BlockPlan<Uint8Array>,
    data: TrainingData,
    signal?: AbortSignal,
  ): Promise<Trainer> {
    const single = { ...platform, settings: { ...platform.settings, threads: 1 } };
    const shards = await Promise.all(
      shardData(data, platform.settings.threads).map((part) =>
        engineOn(single, { device: 'cpu', note }).shard(plan, part, signal),
      ),
    );
    const session = await load(loss);
    const used = new Set(session.inputs.map(({ name }) => name));
    const fixed = Object.entries(data.fixed ?? {}).filter(([name]) => used.has(name));
    await session.keep(Object.fromEntries(fixed));
    const inputs = [...used].filter((name) => !fixed.some(([known]) => known === name));
    const run: Run = { inputs, run: (feeds) => session.run(feeds, { signal }), close: session.close };
    return createShardedTrainer(run, shards, data);
  }

  async function shard(
    plan: BlockPlan<Uint8Array>,
    data: TrainingData,
    signal?: AbortSignal,
  ): Promise<Shard> {
    const settings = { ...platform.settings, device: 'cpu' } as const;
    await send({ kind: 'shard', plan, data, settings }, [], signal);
    return {
      forward: async (feeds) => {
        const own = detach(feeds);
        const answer = await send({ kind: 'shard-forward', feeds: own.feeds }, own.buffers, signal);
        return (answer as { tensors: Record<string, Tensor> }).tensors.results;
      },
      backward: async (upstream, rate) => {
        const { feeds, buffers } = detach({ upstream });
        await send({ kind: 'shard-backward', upstream: feeds.upstream, rate }, buffers, signal);
      },
      read: async () => ((await send({ kind: 'shard-read' })) as { state: TrainingState }).state,
      close,
    };
  }

  async function close(): Promise<void> {
    const own = thread;
    if (!own) return;
    fail('it was closed');
    await own.end();
  }

  return {
    load,
    compile: (outputs) => load(toOnnx(outputs)),
    train,
    shard,
    close,
  };
}

/** A view on part of a buffer would be sent with the whole of it: such parts are copied out, and the copies handed over. */
function detach(feeds: Readonly<Record<string, Tensor>>): {
  feeds: Record<string, Tensor>;
  buffers: ArrayBuffer[];
} {
  const buffers: ArrayBuffer[] = [];
  const own = Object.entries(feeds).map(([name, tensor]): [string, Tensor] => {
    if (tensor.data.byteLength === tensor.data.buffer.byteLength) return [name, tensor];
    const data = tensor.data.slice();
    buffers.push(data.buffer as ArrayBuffer);
    return [name, { ...tensor, data }];
  });
  return { feeds: Object.fromEntries(own), buffers };
}

/** One engine for a whole program: made at its first use, unless one with other options was set before. */
export function sharedBy(create: () => Engine) {
  let shared: Engine | undefined;
  return {
    /** The engine that everything in a program shares. */
    sharedEngine: (): Engine => {
      shared ??= create();
      return shared;
    },
    /** Makes the shared engine another one, before the work that uses it. */
    setSharedEngine: (engine: Engine): void => {
      shared = engine;
    },
  };
}
