import { spawnSync } from 'node:child_process';
import { cpSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { availableParallelism, tmpdir } from 'node:os';
import { join } from 'node:path';
import { encodeImages } from '../src/encoder/encode.ts';
import { findEncoder } from '../src/encoder/installed.ts';
import { loadEncoder } from '../src/encoder/load.ts';
import { createEngine } from '../src/engine/node.ts';
import { createImageLoader } from '../src/image/loader.ts';
import { normalize } from '../src/image/preprocess.ts';
import { floatTensor, type Tensor } from '../src/math/tensor.ts';
import { photoPaths } from './inputs.ts';
import { alternate, median, ratio } from './measure.ts';
import { peerFigures } from './python.ts';

const ENCODER = 'resnet50-minilm';
const PHOTOS = 500;
const BLOCKS = 5;
const BATCH = 4;
const PEERS = join(import.meta.dirname, 'peers');

/**
 * Times the encoding of photos with the built-in encoder, from files to features, against the bare session on prepared tensors and
 * against transformers.js on the same ONNX file, and beside ONNX Runtime's Python package. Blocks of photos are timed alternately.
 */
export async function benchEncode(): Promise<string[]> {
  const engine = createEngine();
  const encoder = await loadEncoder(ENCODER, { engine });
  const { paths, what } = await photoPaths(PHOTOS);
  const size = PHOTOS / BLOCKS;
  const blocks = Array.from({ length: BLOCKS }, (_, b) => paths.slice(b * size, (b + 1) * size));
  const loader = createImageLoader();
  const folder = (await findEncoder(ENCODER))?.folder as string;
  const bare = await engine.load(join(folder, 'image.onnx'));
  const spec = encoder.preprocessing;
  const ready: Tensor[] = [];
  for (let i = 0; i < size; i += BATCH) {
    const pixels = await Promise.all(
      blocks[0]!
        .slice(i, i + BATCH)
        .map(async (path) => (await loader.load(readFileSync(path), { spec, views: [0], seed: 1 }))[0]!),
    );
    ready.push(floatTensor([pixels.length, 3, spec.crop, spec.crop], normalize(pixels, spec)));
  }
  const peer = await transformersJs(folder);
  let block = 0;
  const times = await alternate(
    {
      bare: async () => {
        for (const pixel_values of ready) await bare.run({ pixel_values });
      },
      ours: async () => {
        const items = blocks[block++ % BLOCKS]!.map((path) => ({
          id: path,
          read: async () => readFileSync(path),
        }));
        await encodeImages(encoder, items, { loader });
      },
      ...(peer ? { peer: () => peer(blocks[block % BLOCKS]!) } : {}),
    },
    BLOCKS,
  );
  await Promise.all([loader.close(), engine.close()]);
  const python = peerFigures(
    'encode.py',
    [join(folder, 'image.onnx'), String(BATCH), String(availableParallelism())],
    blocks[0]!.join('\n'),
  );
  const each = (values: number[]) => `${(median(values) / size).toFixed(1)} ms a photo`;
  return [
    `Encoding ${PHOTOS} ${what} with ${ENCODER}, ${BLOCKS} blocks of ${size}`,
    `  bare session, tensors ready  ${each(times.bare)}`,
    `  from files                   ${each(times.ours)}   ${ratio(times.ours, times.bare, 'encoding from files / bare session')} x the bare session (at most 1.15)`,
    peer
      ? `  transformers.js, same model  ${each(times.peer)}   ${ratio(times.peer, times.ours)} x ours`
      : '  transformers.js              skipped: it could not be installed',
    typeof python === 'string'
      ? `  ONNX Runtime in Python       ${python}`
      : `  ONNX Runtime ${python.onnxruntime} in Python with Pillow, one block, after the others: ${python.ms} ms a photo`,
  ];
}

/** transformers.js on the same ONNX file, in batches of the same size. Undefined if it cannot be installed. */
async function transformersJs(folder: string): Promise<((paths: string[]) => Promise<void>) | undefined> {
  if (!existsSync(join(PEERS, 'node_modules'))) {
    const env = { ...process.env, ONNXRUNTIME_NODE_INSTALL: 'skip' };
    const options = { cwd: PEERS, env, stdio: 'ignore', shell: process.platform === 'win32' } as const;
    if (spawnSync('npm', ['ci', '--no-audit', '--no-fund'], options).status !== 0) return undefined;
  }
  const models = mkdtempSync(join(tmpdir(), 'peer-'));
  mkdirSync(join(models, 'model/onnx'), { recursive: true });
  cpSync(join(folder, 'image.onnx'), join(models, 'model/onnx/model.onnx'));
  writeFileSync(join(models, 'model/config.json'), JSON.stringify({ model_type: 'resnet' }));
  const processing = {
    image_processor_type: 'CLIPImageProcessor',
    do_resize: true,
    size: { shortest_edge: 224 },
    resample: 3,
    do_center_crop: true,
    crop_size: { height: 224, width: 224 },
    do_rescale: false,
    do_normalize: true,
    image_mean: [103.939, 116.779, 123.68],
    image_std: [1, 1, 1],
  };
  writeFileSync(join(models, 'model/preprocessor_config.json'), JSON.stringify(processing));
  const { AutoImageProcessor, AutoModel, env, RawImage } = await import(
    join(PEERS, 'node_modules/@huggingface/transformers/dist/transformers.node.mjs')
  );
  Object.assign(env, { localModelPath: models, allowRemoteModels: false });
  const model = await AutoModel.from_pretrained('model', { dtype: 'fp32' });
  const processor = await AutoImageProcessor.from_pretrained('model');
  process.on('exit', () => rmSync(models, { recursive: true, force: true }));
  return async (paths) => {
    for (let i = 0; i < paths.length; i += BATCH) {
      const images = await Promise.all(paths.slice(i, i + BATCH).map((path) => RawImage.read(path)));
      await model(await processor(images));
    }
  };
}
