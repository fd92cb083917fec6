import * as native from 'onnxruntime-node';
import * as web from 'onnxruntime-web';
import { describe, expect, it } from 'vitest';
import { graphWriter, modelMessage, valueInfo } from '../graph/onnx.ts';
import { bytesField, Message } from '../graph/protobuf.ts';
import { toHalf } from '../math/half.ts';
import type { Tensor } from '../math/tensor.ts';
import { createIdleSessions } from './idle-sessions.ts';
import { type Backend, createRequestHandler } from './request-handler.ts';

/** A model that returns the halves that it is given. */
function identity(): Uint8Array {
  const graph = new Message();
  const write = graphWriter(graph);
  const info = { dtype: 'float16', shape: ['n'] } as const;
  bytesField(graph, 11, valueInfo('x', info));
  write.rename('x', 'y');
  bytesField(graph, 12, valueInfo('y', info));
  return modelMessage(graph, { ir: 8, opsets: [['', 17]], metadata: {} }).bytes();
}

describe('halves', () => {
  it.each([
    ['native', native],
    ['WebAssembly', web],
  ])('go in and come out as their bits (%s)', async (_, ort) => {
    web.env.wasm.numThreads = 1;
    const create = (model: Uint8Array | string) => ort.InferenceSession.create(model as Uint8Array);
    const handle = createRequestHandler(
      async () => ({ ort, create, preallocates: false }) as unknown as Backend,
    );
    const settings = { device: 'cpu', threads: 1 } as const;
    const x: Tensor = { dtype: 'float16', shape: [3], data: toHalf(Float32Array.of(0.5, -2, 65504)) };
    await handle({ id: 0, kind: 'load', session: 1, model: identity(), settings });
    expect(await handle({ id: 1, kind: 'run', session: 1, feeds: { x } })).toEqual({
      id: 1,
      tensors: { y: x },
    });
  });
});

it('gives a closed session to the next load of the same model and settings, without the inputs that it kept', async () => {
  let made = 0;
  const create = (model: Uint8Array | string) => {
    made++;
    return native.InferenceSession.create(model as Uint8Array);
  };
  const handle = createRequestHandler(
    async () => ({ ort: native, create, preallocates: false }) as unknown as Backend,
  );
  const settings = { device: 'cpu', threads: 1 } as const;
  const x: Tensor = { dtype: 'float16', shape: [1], data: toHalf(Float32Array.of(0.5)) };
  await handle({ id: 0, kind: 'load', session: 1, model: identity(), settings });
  await handle({ id: 1, kind: 'keep', session: 1, feeds: { x } });
  await handle({ id: 2, kind: 'close', session: 1 });
  await handle({ id: 3, kind: 'load', session: 2, model: identity(), settings });
  expect(made).toBe(1);
  expect(await handle({ id: 4, kind: 'run', session: 2, feeds: {} })).toHaveProperty('error');
  expect(await handle({ id: 5, kind: 'run', session: 2, feeds: { x } })).toEqual({
    id: 5,
    tensors: { y: x },
  });
  await handle({ id: 6, kind: 'load', session: 3, model: identity(), settings });
  await handle({ id: 7, kind: 'load', session: 4, model: identity(), settings: { ...settings, threads: 2 } });
  expect(made).toBe(3);
});

it('does not hold the bytes of a large model while its session is open', async () => {
  const settings = { device: 'cpu', threads: 1 } as const;
  const open = (bytes: number) =>
    createIdleSessions().open(new Uint8Array(bytes), settings, async () => ({}) as native.InferenceSession);
  expect(await open(1 << 17)).not.toHaveProperty('source');
  expect(await open(1 << 10)).toHaveProperty('source');
});

it('does not keep a session whose run failed', async () => {
  let made = 0;
  const create = async (model: Uint8Array | string) => {
    made++;
    const session = await native.InferenceSession.create(model as Uint8Array);
    session.run = async () => Promise.reject(new Error('bad_alloc'));
    return session;
  };
  const handle = createRequestHandler(
    async () => ({ ort: native, create, preallocates: false }) as unknown as Backend,
  );
  const settings = { device: 'cpu', threads: 1 } as const;
  const x: Tensor = { dtype: 'float16', shape: [1], data: toHalf(Float32Array.of(0.5)) };
  await handle({ id: 0, kind: 'load', session: 1, model: identity(), settings });
  expect(await handle({ id: 1, kind: 'run', session: 1, feeds: { x } })).toHaveProperty('error');
  await handle({ id: 2, kind: 'close', session: 1 });
  await handle({ id: 3, kind: 'load', session: 2, model: identity(), settings });
  expect(made).toBe(2);
});
