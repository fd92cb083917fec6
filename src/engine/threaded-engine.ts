import type { Abortable } from '../abort.ts';
import { signalOf } from '../deprecation.ts';
import { InterruptedError, type ModelError, UsageError } from '../errors.ts';
import { type Located, toLocatedOnnx } from '../graph/onnx.ts';
import { loadPart } from '../load-part.ts';
import { type StoredTensor, sizeOf, type Tensor, type TensorData } from '../math/tensor.ts';
import { printable } from '../printable.ts';
import { count } from '../words.ts';
import { channelTo, type Thread, type ThreadEvents } from './channel.ts';
import { type Device, type EngineOptions, refusalOf } from './device.ts';
import type { threadedKeyCache } from './keys/threaded-cache.ts';
import { noFiles } from './keys/types.ts';
import { type Answer, NATIVE_REFUSED, type Settings, tensorsOf } from './protocol.ts';
import type { ShardHost, Starting, TrainingHost } from './training/threaded.ts';
import type { Engine, PortInfo, RunOptions, Session, WeightFiles } from './types.ts';

/** The parts that differ between Node and a page. */
export interface Platform {
  start(events: ThreadEvents): Thread;
  /** The thread is the calling one, so that nothing has to be copied for it. */
  readonly isHere?: true;
  readonly settings: Omit<Settings, 'device' | 'native'>;
  /** The folder of the native build, if one is used. `error` is the reason why the folder given before does not load. */
  native?(error?: unknown): Promise<string | undefined>;
  /** Opens keys in a file, if the threads can read files. */
  readonly openKeys?: typeof threadedKeyCache;
  /** Whether the threads can read weights from files. */
  readonly readsWeights?: boolean;
  /** Returns the reason why a device cannot be used; undefined if it may be tried. It is called once, before the first use. */
  refusal?(device: Device): Promise<string | undefined>;
}

/** Makes a request for the native build in a folder, or for WebAssembly. */
type Make = (native: string | undefined) => Starting;

/**
 * An engine on a thread that starts at the first use. If the thread dies, running calls are rejected and the next call starts
 * another thread; sessions reload their models at their next use.
 */
export function threadedEngine(
  platform: Platform,
  { device = 'cpu', note = (line) => console.warn(printable(line)) }: EngineOptions,
): Engine & ShardHost {
  const { send, alive, generation, close } = channelTo(platform.start);
  let serial = 0;
  let chosen: Promise<Device> | undefined;
  let told = false;

  function onCpu(reason: string): Device {
    if (!told) note(`Device ${device} cannot be used (${refusalOf(reason)}); the CPU replaces it`);
    told = true;
    return 'cpu';
  }

  /**
   * Sends a request without waiting for its answer. The thread handles requests in order, so memory is freed before the next request,
   * and an interrupted caller need not wait for earlier work.
   */
  function tell(request: Parameters<typeof send>[0]): void {
    send(request).catch(() => {});
  }

  async function choose(): Promise<Device> {
    const reason = await platform.refusal?.(device);
    return reason === undefined ? device : onCpu(reason);
  }

  /**
   * Sends a request that starts a runtime. If the native build does not load, makes the request again and sends it with another build.
   */
  async function open(make: Make, device: Device, signal?: AbortSignal): Promise<Answer> {
    const ask = (native: string | undefined) => {
      const { transfer, ...request } = make(native);
      return send({ ...request, settings: { ...platform.settings, device, native } }, transfer, signal);
    };
    try {
      return await ask(await platform.native?.());
    } catch (error) {
      if ((error as ModelError).code !== NATIVE_REFUSED) throw error;
      return ask(await platform.native?.(error));
    }
  }

  /** Loads models on the device. If the device refuses them and the CPU does not, the CPU is used from then on. */
  async function prepare(make: Make, signal?: AbortSignal): Promise<Answer> {
    chosen ??= device === 'cpu' ? Promise.resolve(device) : choose();
    const used = await chosen;
    try {
      return await open(make, used, signal);
    } catch (error) {
      if (used === 'cpu' || error instanceof InterruptedError) throw error;
      const answer = await open(make, 'cpu', signal);
      chosen = Promise.resolve(onCpu((error as Error).message));
      return answer;
    }
  }

  /** @param model a model, or what makes its bytes whenever a thread needs them, so that they can be transferred instead of copied */
  async function load<Name extends string>(
    model: Uint8Array | string | ((located?: Located) => Uint8Array<ArrayBuffer>),
    { weights: files, ...work }: Abortable & { readonly weights?: WeightFiles } = {},
  ): Promise<Session<Name>> {
    const session = serial++;
    let kept: Record<string, Tensor> = {};
    let loaded = -1;
    let ports: { inputs: PortInfo[]; outputs: PortInfo[] } | undefined;

    const request: Make = (native) => {
      if (typeof model !== 'function') return { kind: 'load', session, model };
      const pieces: StoredTensor[] = [];
      const asPiece: Located = (place) => ({ ...place, file: `${pieces.push(place) - 1}`, offset: 0 });
      const made = model(native === undefined ? asPiece : undefined);
      const weights = files && { folder: files.folder, identities: files.identities, pieces };
      return { kind: 'load', session, model: made, weights, transfer: [made.buffer] };
    };

    async function ready({ signal }: Abortable): Promise<void> {
      if (alive(loaded)) return;
      const answer = await prepare(request, signal).catch((error) => {
        // The thread may still finish loading, so it is told to free the session.
        if (error instanceof InterruptedError) tell({ kind: 'close', session });
        throw error;
      });
      if ('ports' in answer) ports = answer.ports;
      loaded = generation();
      if (Object.keys(kept).length > 0) await keep(kept);
    }

    async function keep(feeds: Readonly<Record<string, Tensor>>, signal?: AbortSignal): Promise<void> {
      const own = detach(feeds);
      await send({ kind: 'keep', session, feeds: own.feeds }, own.buffers, signal);
    }

    await ready(work);
    const { inputs, outputs } = ports as { inputs: PortInfo[]; outputs: PortInfo[] };
    return {
      inputs,
      outputs,
      run: async <Asked extends string>(
        feeds: Readonly<Record<string, Tensor>>,
        { outputs: wanted, signal, transfer = [] }: RunOptions<Asked> = {},
      ) => {
        await ready({ signal });
        const own = platform.isHere ? { feeds: filled(feeds), buffers: [] } : detach(feeds, transfer);
        const request = { kind: 'run', session, feeds: own.feeds, outputs: wanted } as const;
        const answer = await send(request, own.buffers, signal);
        return tensorsOf<Asked>(answer);
      },
      keep: async (feeds, work = {}) => {
        kept = { ...kept, ...feeds };
        await ready(work);
        await keep(feeds, work.signal);
      },
      close: async () => {
        if (alive(loaded)) tell({ kind: 'close', session });
      },
    };
  }

  const host: TrainingHost = {
    threads: platform.settings.threads,
    serial: () => serial++,
    send,
    tell,
    prepare,
    open,
    load,
    born: generation,
    alive,
    close,
    detach,
    engine: () =>
      threadedEngine(
        { ...platform, settings: { ...platform.settings, threads: 1 } },
        { device: 'cpu', note },
      ),
  };

  return {
    threads: platform.settings.threads,
    native: platform.native,
    load,
    compile: (outputs, work) => load((located) => toLocatedOnnx(outputs, {}, located), work),
    readsWeights: platform.readsWeights,
    train: async (spec, work = {}) => {
      const { trainOn } = await loadPart(() => import('./training/index.ts'));
      return trainOn(host, spec, signalOf(work));
    },
    shard: async (plan, data, signal) => {
      const { shardOn } = await loadPart(() => import('./training/index.ts'));
      return shardOn(host, plan, data, signal);
    },
    openKeys: (file, labels, classes) => platform.openKeys?.(platform, file, labels, classes) ?? noFiles(),
    close,
  };
}

/**
 * Copies tensors and lists the buffers of the copies, so that these are transferred. Sending would copy a tensor twice, and a view on a part
 * of a buffer with its whole buffer. A tensor that is a view on a part of another one gets that part of its copy. Tensors of the buffers in
 * `given` are transferred as they are.
 */
function detach(
  feeds: Readonly<Record<string, Tensor>>,
  given: readonly ArrayBuffer[] = [],
): { feeds: Record<string, Tensor>; buffers: ArrayBuffer[] } {
  const buffers = [...given];
  const copies: { of: TensorData; copy: TensorData }[] = [];
  const largestFirst = Object.entries(filled(feeds)).sort(
    ([, a], [, b]) => b.data.byteLength - a.data.byteLength,
  );
  const own = largestFirst.map(([name, tensor]): [string, Tensor] => {
    const { data } = tensor;
    if (given.includes(data.buffer as ArrayBuffer)) return [name, tensor];
    const whole = copies.find(({ of }) => isPart(data, of));
    if (whole) {
      const from = (data.byteOffset - whole.of.byteOffset) / data.BYTES_PER_ELEMENT;
      return [name, { ...tensor, data: whole.copy.subarray(from, from + data.length) }];
    }
    const copy = data.slice();
    copies.push({ of: data, copy });
    buffers.push(copy.buffer as ArrayBuffer);
    return [name, { ...tensor, data: copy }];
  });
  return { feeds: Object.fromEntries(own), buffers };
}

/** Whether the numbers are a part of the others in the same memory. */
function isPart(data: TensorData, of: TensorData): boolean {
  const from = data.byteOffset - of.byteOffset;
  return (
    data.buffer === of.buffer &&
    data.constructor === of.constructor &&
    from >= 0 &&
    from + data.byteLength <= of.byteLength
  );
}

/** The same feeds. Throws `UsageError` if the data of one does not have its shape. */
function filled(feeds: Readonly<Record<string, Tensor>>): Readonly<Record<string, Tensor>> {
  for (const [name, { shape, data }] of Object.entries(feeds)) {
    if (data.length === sizeOf(shape)) continue;
    throw new UsageError(
      `Input "${name}" of shape [${shape.join(', ')}] holds ${count(data.length, 'number')}`,
      {
        code: 'engine/feed',
        hint: 'Feed the input again: a buffer listed in `transfer` is empty afterwards.',
        details: { name, shape, length: data.length },
      },
    );
  }
  return feeds;
}
