import type { InferenceSession, OnnxValue, Tensor as OrtTensor, TypedTensor } from 'onnxruntime-node';
import { ModelError, TipAdapterError } from '../errors.ts';
import { matrixOf } from '../math/matrix.ts';
import { floatTensor, type Tensor } from '../math/tensor.ts';
import { createIdleSessions, type LoadedModel } from './idle-sessions.ts';
import type { ByteProducts } from './keys/byte-products.ts';
import type { KeyPages } from './keys/pages.ts';
import { type FileReader, noFiles } from './keys/types.ts';
import { type Answer, type ModelWeights, NATIVE_REFUSED, type Request, type Settings } from './protocol.ts';
import { pick } from './training/pick.ts';
import type { Shard } from './training/shard.ts';
import type { Run, Trainer } from './training/types.ts';
import type { PortInfo } from './types.ts';

/** A build of ONNX Runtime; the interface is the same in Node and in a page. */
export interface Backend {
  readonly ort: {
    readonly Tensor: new (
      type: 'float32',
      data: Float32Array,
      dims: readonly number[],
    ) => TypedTensor<'float32'>;
  };
  /** @param weights the files of the model's `stored` tensors */
  create(model: Uint8Array | string, weights?: ModelWeights): Promise<InferenceSession>;
  /** Whether outputs can be written into existing arrays. The web build cannot: it leaves such arrays zero. */
  readonly preallocates: boolean;
}

/** Answers requests inside the worker thread, using sessions and trainers of ONNX Runtime and keys in files. Never throws: errors are answers. */
export function createRequestHandler(
  backendFor: (settings: Settings) => Promise<Backend>,
  openFile: (path: string, identity: string) => FileReader = noFiles,
): (request: Request) => Promise<Answer> {
  const sessions = new Map<number, LoadedSession>();
  const idle = createIdleSessions();
  const trainers = new Map<number, Trainer>();
  // A thread serves at most one shard of a training, or one part of a file's keys.
  let shard: Shard | undefined;

  let keys: KeyPages | undefined;

  function own<T>(one: T | undefined): T {
    if (!one) throw new Error('this thread was started for something else');
    return one;
  }

  /** Products of bytes by the native build, if there is one. */
  async function productsOf(d: number, settings: Settings): Promise<ByteProducts | undefined> {
    if (settings.native === undefined) return undefined;
    const { byteProducts } = await import('./keys/byte-products.ts');
    const backend = await backendFor(settings).catch((error) => {
      if (error.code === NATIVE_REFUSED) return undefined;
      throw error;
    });
    return backend && byteProducts(d, (model) => runner(backend, model));
  }

  async function handle(request: Request): Promise<Answer> {
    const { id } = request;
    switch (request.kind) {
      case 'load': {
        const { model, weights, settings } = request;
        const backend = await backendFor(settings);
        // Two models whose weights are in files may have the same bytes, so such a session is not used for another load.
        const loaded = weights
          ? { session: await backend.create(model, weights), largest: 0 }
          : await idle.open(model, settings, () => backend.create(model));
        const { session } = loaded;
        sessions.set(request.session, { backend, loaded, kept: {} });
        return {
          id,
          ports: { inputs: session.inputMetadata.map(port), outputs: session.outputMetadata.map(port) },
        };
      }
      case 'keep': {
        const { backend, kept } = found(sessions, request.session, 'session');
        Object.assign(kept, toOrt(backend, request.feeds));
        return { id, tensors: {} };
      }
      case 'run': {
        const { backend, loaded, kept } = found(sessions, request.session, 'session');
        const { session } = loaded;
        const feeds = pick({ inputs: session.inputNames }, { ...kept, ...toOrt(backend, request.feeds) });
        const results = await session
          .run(feeds, request.outputs ?? session.outputNames)
          .catch((error: unknown) => {
            // It may hold much memory, so that it is not kept when it is closed.
            loaded.largest = Number.POSITIVE_INFINITY;
            throw error;
          });
        const tensors = fromOrt(results, true);
        loaded.largest = Math.max(loaded.largest, bytesOf(feeds) + bytesOf(tensors));
        return { id, tensors };
      }
      case 'close': {
        const closed = sessions.get(request.session);
        sessions.delete(request.session);
        if (closed) await idle.put(closed.loaded);
        return { id, tensors: {} };
      }
      case 'train': {
        const backend = await backendFor(request.settings);
        const loss = await runner(backend, request.loss);
        const { createTrainer } = await import('./training/index.ts');
        trainers.set(request.trainer, createTrainer(loss, request.data));
        return { id, tensors: {} };
      }
      case 'train-step':
        return {
          id,
          result: await found(trainers, request.trainer, 'trainer').step(request.feeds, request.rate),
        };
      case 'train-read':
        return { id, state: await found(trainers, request.trainer, 'trainer').read() };
      case 'train-close':
        await trainers.get(request.trainer)?.close();
        trainers.delete(request.trainer);
        return { id, tensors: {} };
      case 'shard': {
        const backend = await backendFor(request.settings);
        const { createShard } = await import('./training/index.ts');
        shard = await createShard(request.plan, request.data, (model) => runner(backend, model));
        return { id, tensors: {} };
      }
      case 'shard-forward':
        return { id, tensors: { results: await own(shard).forward(request.feeds) } };
      case 'shard-backward':
        await own(shard).backward(request.upstream, request.rate);
        return { id, tensors: {} };
      case 'shard-read':
        return { id, state: await own(shard).read() };
      case 'keys': {
        const { openPages } = await import('./keys/pages.ts');
        // The part is replaced without a wait in between, so that two requests at a time do not leave a part open.
        const before = keys;
        keys = openPages(request.part, openFile, () => productsOf(request.part.cols, request.settings));
        await before?.close();
        return { id, tensors: {} };
      }
      case 'keys-sums': {
        const sums = await own(keys).sums(matrixOf(request.features), request.beta, request.each);
        return { id, tensors: { sums: floatTensor([sums.rows, sums.cols], sums.data) } };
      }
    }
  }

  return async (request) => {
    try {
      return await handle(request);
    } catch (error) {
      const { message, code, hint } = named(error);
      return { id: request.id, error: message, code, hint };
    }
  };
}

interface LoadedSession {
  readonly backend: Backend;
  readonly loaded: LoadedModel;
  readonly kept: Record<string, OrtTensor>;
}

function found<T>(all: ReadonlyMap<number, T>, id: number, what: string): T {
  const one = all.get(id);
  if (!one) throw new Error(`${what} ${id} is closed`);
  return one;
}

function bytesOf(tensors: Readonly<Record<string, Tensor | OrtTensor>>): number {
  return Object.values(tensors).reduce((sum, { data }) => sum + (data as Float32Array).byteLength, 0);
}

/** ONNX Runtime has no error code for a lack of memory, so its messages are matched. */
const OUT_OF_MEMORY =
  /bad_alloc|could not allocate|failed to allocate|allocation failed|out of memory|shape is too large/i;

function named(error: unknown): { message: string; code?: string; hint?: string } {
  if (error instanceof TipAdapterError) return error;
  const message = error instanceof Error ? error.message : String(error);
  if (!OUT_OF_MEMORY.test(message)) return { message };
  return new ModelError(`Out of memory: ${message}`, {
    code: 'engine/memory',
    hint: 'Use fewer pictures or examples at a time, or a smaller encoder. The program can continue.',
  });
}

/** Buffers of an answer that are transferred instead of copied. */
export function buffersOf(answer: Answer): ArrayBuffer[] {
  const tensors =
    'tensors' in answer
      ? Object.values(answer.tensors)
      : 'state' in answer
        ? [...Object.values(answer.state.parameters), ...Object.values(answer.state.moments)]
        : [];
  return tensors.map(({ data }) => data.buffer as ArrayBuffer);
}

/** Prepares a graph of a training step. Its outputs stay in this thread, so they need not be copied. */
async function runner(backend: Backend, model: Uint8Array): Promise<Run> {
  const session = await backend.create(model);
  return {
    inputs: session.inputNames,
    run: async (feeds, into?: Readonly<Record<string, Tensor>>) => {
      const wanted =
        into && backend.preallocates
          ? {
              ...Object.fromEntries(session.outputNames.map((name) => [name, null])),
              ...toOrt(backend, into),
            }
          : session.outputNames;
      return fromOrt(await session.run(toOrt(backend, feeds), wanted), false);
    },
    close: () => session.release(),
  };
}

function port(meta: InferenceSession.ValueMetadata): PortInfo {
  if (!meta.isTensor) return { name: meta.name, dtype: 'unknown', shape: [] };
  return { name: meta.name, dtype: meta.type, shape: meta.shape };
}

function toOrt({ ort }: Backend, feeds: Readonly<Record<string, Tensor>>): Record<string, OrtTensor> {
  return Object.fromEntries(
    Object.entries(feeds).map(([name, { dtype, data, shape }]) => {
      const type = dtype === 'float16' ? 'uint16' : dtype;
      const tensor = new ort.Tensor(type as 'float32', data as Float32Array, shape);
      return [name, dtype === 'float16' ? halves(tensor) : tensor];
    }),
  );
}

/**
 * The same 16 bits as a tensor of halves. Where there is a `Float16Array` (Node 24), a tensor that is made as float16 gets its data in one,
 * of which ONNX Runtime 1.30 for Node reads no byte (github.com/microsoft/onnxruntime/pull/32323).
 */
const halves = (bits: OrtTensor): OrtTensor => Object.assign(bits, { type: 'float16' });

/** The bits of halves: where there is a `Float16Array`, results may come in one. */
const bitsOf = ({ buffer, byteOffset, length }: Uint16Array) => new Uint16Array(buffer, byteOffset, length);

/** Converts results. With `own`, they are copied out of the runtime's memory, which cannot be transferred to another thread. */
function fromOrt(results: Readonly<Record<string, OnnxValue>>, own: boolean): Record<string, Tensor> {
  return Object.fromEntries(
    Object.entries(results).map(([name, value]) => {
      const { type, dims, data } = value as OrtTensor;
      const numbers = type === 'float16' ? bitsOf(data as Uint16Array) : (data as Float32Array);
      return [name, { dtype: type, shape: dims, data: own ? numbers.slice() : numbers } as Tensor];
    }),
  );
}
