import * as ort from 'onnxruntime-web/wasm';
import { cropView } from '../../image/preprocess.ts';
import type { Preprocessing } from '../../image/types.ts';
import { rasterOf } from '../../web/raster.ts';
import type { Asked, Told } from '../page-types.ts';

let session: ort.InferenceSession | undefined;
let preprocessing: Preprocessing | undefined;

const tell = (told: Told) => self.postMessage(told);

/** Pictures are classified one at a time, in order. */
let before: Promise<void> = Promise.resolve();
self.onmessage = ({ data }: MessageEvent<Asked>) => {
  before = before
    .then(() => work(data))
    .catch((error: Error) => {
      tell({ kind: 'failed', id: data.kind === 'classify' ? data.id : undefined, reason: error.message });
    });
};

async function work(asked: Asked): Promise<void> {
  if (asked.kind === 'open') {
    preprocessing = asked.preprocessing;
    // Several threads need HTTP headers for cross-origin isolation, which a file does not have.
    ort.env.wasm.numThreads = 1;
    ort.env.wasm.wasmBinary = asked.wasm.buffer as ArrayBuffer;
    session = await ort.InferenceSession.create(asked.model, { graphOptimizationLevel: 'all' });
    tell({ kind: 'ready' });
    return;
  }
  if (!session || !preprocessing) throw new Error('The classifier is not open');
  const { id, pixels } = asked;
  const side = preprocessing.crop;
  const { data } = cropView(rasterOf(pixels), preprocessing, 0, 0, '');
  const results = await session.run({ pixels: new ort.Tensor('uint8', data, [1, side, side, 3]) }, [
    'probabilities',
  ]);
  tell({ kind: 'answer', id, probabilities: Float32Array.from(results.probabilities!.data as Float32Array) });
}
