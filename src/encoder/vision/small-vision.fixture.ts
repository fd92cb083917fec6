import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { random } from '../../math/random.ts';
import { floatTensor, sizeOf, type Tensor } from '../../math/tensor.ts';
import { encodeSafetensors } from '../../store/safetensors.ts';

const [TRAINED, PATCH, WIDTH] = [32, 8, 16];

/** Hugging Face's `config.json` of the small DINOv2. */
export const SMALL_DINOV2 = {
  architectures: ['Dinov2Model'],
  model_type: 'dinov2',
  hidden_act: 'gelu',
  hidden_size: WIDTH,
  image_size: TRAINED,
  layer_norm_eps: 1e-6,
  mlp_ratio: 4,
  num_attention_heads: 2,
  num_channels: 3,
  num_hidden_layers: 1,
  patch_size: PATCH,
  qkv_bias: true,
  use_swiglu_ffn: false,
};

/** Pictures of 16 pixels, so that the positions of the training at 32 pixels are resampled. */
const SMALL_PREPROCESSOR = {
  image_processor_type: 'BitImageProcessor',
  size: { shortest_edge: 16 },
  crop_size: { height: 16, width: 16 },
  resample: 3,
};

/** The weights of a DINOv2 with one block under Hugging Face's names, random from the seed. */
export function smallDinov2(seed = 1): Map<string, Tensor> {
  const noise = random('small vision', seed);
  const tensors = new Map<string, Tensor>();
  const add = (name: string, shape: number[], scale = 0.3, middle = 0) => {
    const data = Float32Array.from({ length: sizeOf(shape) }, () => middle + scale * noise.normal());
    tensors.set(name, floatTensor(shape, data));
  };
  const pair = (name: string, out: number, inputs?: number) => {
    if (inputs) add(`${name}.weight`, [out, inputs]);
    else add(`${name}.weight`, [out], 0.1, 1);
    add(`${name}.bias`, [out], 0.1);
  };
  add('embeddings.cls_token', [1, 1, WIDTH]);
  add('embeddings.mask_token', [1, WIDTH]);
  add('embeddings.position_embeddings', [1, 1 + (TRAINED / PATCH) ** 2, WIDTH]);
  add('embeddings.patch_embeddings.projection.weight', [WIDTH, 3, PATCH, PATCH], 0.1);
  add('embeddings.patch_embeddings.projection.bias', [WIDTH]);
  const block = 'encoder.layer.0';
  for (const part of ['query', 'key', 'value']) pair(`${block}.attention.attention.${part}`, WIDTH, WIDTH);
  pair(`${block}.attention.output.dense`, WIDTH, WIDTH);
  for (const name of [`${block}.norm1`, `${block}.norm2`, 'layernorm']) pair(name, WIDTH);
  for (const i of [1, 2]) add(`${block}.layer_scale${i}.lambda1`, [WIDTH]);
  pair(`${block}.mlp.fc1`, 4 * WIDTH, WIDTH);
  pair(`${block}.mlp.fc2`, WIDTH, 4 * WIDTH);
  return tensors;
}

/** Writes the small DINOv2 into a folder as Hugging Face does. */
export function writeSmallVision(
  folder: string,
  { config = SMALL_DINOV2, tensors = smallDinov2() }: { config?: object; tensors?: Map<string, Tensor> } = {},
): string {
  mkdirSync(folder, { recursive: true });
  writeFileSync(join(folder, 'config.json'), JSON.stringify(config));
  writeFileSync(join(folder, 'preprocessor_config.json'), JSON.stringify(SMALL_PREPROCESSOR));
  writeFileSync(join(folder, 'model.safetensors'), encodeSafetensors(tensors));
  return folder;
}
