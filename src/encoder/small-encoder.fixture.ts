import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { mul } from '../graph/elementwise.ts';
import { constant, input, scalar } from '../graph/expression.ts';
import { reshape } from '../graph/layout.ts';
import { toOnnx } from '../graph/onnx.ts';
import { matmul, unit } from '../graph/products.ts';
import { mean } from '../graph/reduce.ts';
import { gather } from '../graph/sequence.ts';
import { averagePool } from '../graph/vision.ts';
import { random } from '../math/random.ts';
import { floatTensor, sizeOf } from '../math/tensor.ts';

const [SIDE, CELL, WIDTH] = [32, 8, 24];
const WORDS = ['[UNK]', 'a', 'photo', 'of', '.', 'red', 'green', 'blue'];

/** Writes a small encoder as exporters do. Image tower: mean colours of cells times a matrix. Text tower: mean of word vectors. */
export async function writeSmallEncoder(folder: string): Promise<string> {
  const own = random('encoder', 1);
  const weights = (...shape: number[]) =>
    constant(
      floatTensor(
        shape,
        Float32Array.from({ length: sizeOf(shape) }, () => own.normal()),
      ),
    );
  const cells = (SIDE / CELL) ** 2 * 3;
  const pixels = input('pixel_values', ['n', 3, SIDE, SIDE]);
  const means = averagePool(pixels, { kernel: [CELL, CELL], stride: [CELL, CELL] });
  const image = unit(matmul(reshape(means, ['n', cells]), weights(cells, WIDTH)));
  const text = mean(gather(weights(WORDS.length, WIDTH), input('input_ids', ['n', 'l'], 'int64')), [1]);
  await mkdir(folder, { recursive: true });
  const write = (name: string, content: object | Uint8Array) =>
    writeFile(join(folder, name), content instanceof Uint8Array ? content : JSON.stringify(content));
  await write('vision_model.onnx', toOnnx({ image_embeds: mul(image, scalar(3)) }));
  await write('text_model.onnx', toOnnx({ text_embeds: text }));
  await write('config.json', { model_type: 'clip', projection_dim: WIDTH, logit_scale_init_value: 3 });
  await write('preprocessor_config.json', {
    image_processor_type: 'CLIPImageProcessor',
    size: { shortest_edge: SIDE },
    crop_size: { height: SIDE, width: SIDE },
    do_resize: true,
    do_center_crop: true,
    do_rescale: true,
    do_normalize: true,
    do_convert_rgb: true,
    resample: 3,
    rescale_factor: 1 / 255,
    image_mean: [0.48, 0.46, 0.41],
    image_std: [0.27, 0.26, 0.28],
  });
  await write('tokenizer.json', {
    version: '1.0',
    added_tokens: [],
    normalizer: null,
    pre_tokenizer: { type: 'BertPreTokenizer' },
    post_processor: null,
    decoder: null,
    model: {
      type: 'WordPiece',
      unk_token: '[UNK]',
      continuing_subword_prefix: '##',
      max_input_chars_per_word: 20,
      vocab: Object.fromEntries(WORDS.map((word, i) => [word, i])),
    },
  });
  return folder;
}
