import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { toHalf } from '../../math/half.ts';
import { random } from '../../math/random.ts';
import { floatTensor, ofRank, sizeOf, type Tensor } from '../../math/tensor.ts';
import { encodeSafetensors } from '../../store/safetensors.ts';

const [SIDE, PATCH, WIDTH, CONTEXT, DIMENSION] = [32, 16, 16, 12, 8];
const LETTERS = Array.from('abcdefghijklmnopqrstuvwxyz.,', (letter) => letter);
const [START, END] = ['<|startoftext|>', '<|endoftext|>'];
const VOCABULARY = [...LETTERS, ...LETTERS.map((letter) => `${letter}</w>`), START, END];

/** A byte-pair tokenizer like CLIP's, without merges. */
export const SMALL_TOKENIZER = {
  version: '1.0',
  truncation: null,
  padding: null,
  added_tokens: [START, END].map((content) => ({
    id: VOCABULARY.indexOf(content),
    content,
    single_word: false,
    lstrip: false,
    rstrip: false,
    normalized: content === START,
    special: true,
  })),
  normalizer: {
    type: 'Sequence',
    normalizers: [
      { type: 'NFC' },
      { type: 'Replace', pattern: { Regex: '\\s+' }, content: ' ' },
      { type: 'Lowercase' },
    ],
  },
  pre_tokenizer: {
    type: 'Sequence',
    pretokenizers: [
      { type: 'Split', pattern: { Regex: '[\\p{L}]+|[^\\s\\p{L}]+' }, behavior: 'Removed', invert: true },
      { type: 'ByteLevel', add_prefix_space: false, trim_offsets: true },
    ],
  },
  post_processor: {
    type: 'RobertaProcessing',
    sep: [END, VOCABULARY.indexOf(END)],
    cls: [START, VOCABULARY.indexOf(START)],
    trim_offsets: false,
    add_prefix_space: false,
  },
  decoder: { type: 'ByteLevel', add_prefix_space: true, trim_offsets: true },
  model: {
    type: 'BPE',
    dropout: null,
    unk_token: END,
    continuing_subword_prefix: '',
    end_of_word_suffix: '</w>',
    fuse_unk: false,
    vocab: Object.fromEntries(VOCABULARY.map((token, id) => [token, id])),
    merges: [],
  },
};

/** A CLIP of two small transformers under OpenAI's names, with random weights from the seed. */
function smallClip(seed: number): Record<string, Tensor> {
  const noise = random('small clip', seed);
  const tensors: Record<string, Tensor> = {};
  const add = (name: string, shape: number[], scale = 0.3, middle = 0) => {
    const data = Float32Array.from({ length: sizeOf(shape) }, () => middle + scale * noise.normal());
    tensors[name] = floatTensor(shape, data);
  };
  const norm = (name: string) => {
    add(`${name}.weight`, [WIDTH], 0.1, 1);
    add(`${name}.bias`, [WIDTH], 0.1);
  };
  const block = (name: string) => {
    norm(`${name}.ln_1`);
    norm(`${name}.ln_2`);
    add(`${name}.attn.in_proj_weight`, [3 * WIDTH, WIDTH]);
    add(`${name}.attn.in_proj_bias`, [3 * WIDTH]);
    add(`${name}.attn.out_proj.weight`, [WIDTH, WIDTH]);
    add(`${name}.attn.out_proj.bias`, [WIDTH]);
    add(`${name}.mlp.c_fc.weight`, [4 * WIDTH, WIDTH]);
    add(`${name}.mlp.c_fc.bias`, [4 * WIDTH]);
    add(`${name}.mlp.c_proj.weight`, [WIDTH, 4 * WIDTH]);
    add(`${name}.mlp.c_proj.bias`, [WIDTH]);
  };
  add('visual.conv1.weight', [WIDTH, 3, PATCH, PATCH], 0.1);
  add('visual.class_embedding', [WIDTH]);
  add('visual.positional_embedding', [(SIDE / PATCH) ** 2 + 1, WIDTH]);
  for (const name of ['visual.ln_pre', 'visual.ln_post', 'ln_final']) norm(name);
  add('visual.proj', [WIDTH, DIMENSION]);
  block('visual.transformer.resblocks.0');
  add('token_embedding.weight', [VOCABULARY.length, WIDTH]);
  add('positional_embedding', [CONTEXT, WIDTH]);
  block('transformer.resblocks.0');
  add('text_projection', [WIDTH, DIMENSION]);
  tensors.logit_scale = floatTensor([], Float32Array.of(3));
  return tensors;
}

/** The same weights under Hugging Face's names. */
function hubNames(tensors: Readonly<Record<string, Tensor>>): Record<string, Tensor> {
  const named: Record<string, Tensor> = {};
  for (const [name, tensor] of Object.entries(tensors)) {
    const hub = HUB_NAMES.reduce((text, [ours, theirs]) => text.replace(ours, theirs), name);
    const joint = /^(.*)in_proj_(weight|bias)$/.exec(hub);
    if (joint) {
      const [rows, ...rest] = tensor.shape;
      const size = tensor.data.length / 3;
      for (const [i, part] of [...'qkv'].entries()) {
        const data = (tensor.data as Float32Array).slice(i * size, (i + 1) * size);
        named[`${joint[1]}${part}_proj.${joint[2]}`] = floatTensor([rows! / 3, ...rest], data);
      }
    } else named[hub] = /^(visual|text)_projection/.test(hub) ? transposed(tensor) : tensor;
  }
  return named;
}

const HUB_NAMES: readonly (readonly [RegExp, string])[] = [
  [/^visual\.proj$/, 'visual_projection.weight'],
  [/^text_projection$/, 'text_projection.weight'],
  [/^visual\.transformer\.resblocks\./, 'vision_model.encoder.layers.'],
  [/^transformer\.resblocks\./, 'text_model.encoder.layers.'],
  [/^visual\.conv1\./, 'vision_model.embeddings.patch_embedding.'],
  [/^visual\.class_embedding/, 'vision_model.embeddings.class_embedding'],
  [/^visual\.positional_embedding/, 'vision_model.embeddings.position_embedding.weight'],
  [/^visual\.ln_pre/, 'vision_model.pre_layrnorm'],
  [/^visual\.ln_post/, 'vision_model.post_layernorm'],
  [/^token_embedding/, 'text_model.embeddings.token_embedding'],
  [/^positional_embedding/, 'text_model.embeddings.position_embedding.weight'],
  [/^ln_final/, 'text_model.final_layer_norm'],
  [/\.attn\./, '.self_attn.'],
  [/\.ln_(\d)\./, '.layer_norm$1.'],
  [/\.mlp\.c_fc/, '.mlp.fc1'],
  [/\.mlp\.c_proj/, '.mlp.fc2'],
];

function transposed({ shape, data }: Tensor): Tensor {
  const [rows, cols] = ofRank(shape, 2);
  const out = Float32Array.from({ length: rows * cols }, (_, at) =>
    Number(data[(at % rows) * cols + Math.floor(at / rows)]),
  );
  return floatTensor([cols, rows], out);
}

const tower = { hidden_act: 'quick_gelu', hidden_size: WIDTH, intermediate_size: 4 * WIDTH };

const SMALL_HUB_CONFIG = {
  architectures: ['CLIPModel'],
  model_type: 'clip',
  projection_dim: DIMENSION,
  logit_scale_init_value: 2.6592,
  text_config: {
    ...tower,
    model_type: 'clip_text_model',
    vocab_size: VOCABULARY.length,
    num_attention_heads: 2,
    num_hidden_layers: 1,
    max_position_embeddings: CONTEXT,
    eos_token_id: VOCABULARY.indexOf(END),
  },
  vision_config: {
    ...tower,
    model_type: 'clip_vision_model',
    image_size: SIDE,
    patch_size: PATCH,
    num_attention_heads: 2,
    num_hidden_layers: 1,
    layer_norm_eps: 1e-5,
  },
};

const SMALL_OPEN_CLIP_CONFIG = {
  model_cfg: {
    embed_dim: DIMENSION,
    quick_gelu: true,
    vision_cfg: { image_size: SIDE, layers: 1, width: WIDTH, head_width: 8, patch_size: PATCH },
    text_cfg: { context_length: CONTEXT, vocab_size: VOCABULARY.length, width: WIDTH, heads: 2, layers: 1 },
  },
  preprocess_cfg: { mean: [0.5, 0.5, 0.5], std: [0.5, 0.5, 0.5], interpolation: 'bicubic' },
};

interface SmallClipForm {
  readonly names: 'hub' | 'open-clip';
  readonly half?: boolean;
  readonly parts?: boolean;
  /** Of the random weights. */
  readonly seed?: number;
}

/** Writes the small CLIP into a folder as Hugging Face or open_clip does; optionally in half precision or in two files. */
export function writeSmallClip(
  folder: string,
  { names, half = false, parts = false, seed = 1 }: SmallClipForm,
): string {
  mkdirSync(folder, { recursive: true });
  const write = (name: string, content: object | Uint8Array) =>
    writeFileSync(join(folder, name), content instanceof Uint8Array ? content : JSON.stringify(content));
  const clip = names === 'hub' ? hubNames(smallClip(seed)) : smallClip(seed);
  const tensors = Object.entries(clip).map(([name, tensor]): [string, Tensor] => [
    name,
    half ? { ...tensor, dtype: 'float16', data: toHalf(tensor.data as Float32Array) } : tensor,
  ]);
  if (parts) {
    const middle = tensors.length >> 1;
    const map: Record<string, string> = {};
    for (const [i, own] of [tensors.slice(0, middle), tensors.slice(middle)].entries()) {
      const name = `model-0000${i + 1}-of-00002.safetensors`;
      write(name, encodeSafetensors(new Map(own)));
      for (const [tensor] of own) map[tensor] = name;
    }
    write('model.safetensors.index.json', { metadata: {}, weight_map: map });
  } else {
    write(
      names === 'hub' ? 'model.safetensors' : 'open_clip_model.safetensors',
      encodeSafetensors(new Map(tensors)),
    );
  }
  if (names === 'hub') {
    write('config.json', SMALL_HUB_CONFIG);
    write('preprocessor_config.json', {
      image_processor_type: 'CLIPImageProcessor',
      size: { shortest_edge: SIDE },
      crop_size: { height: SIDE, width: SIDE },
      resample: 3,
    });
    write('tokenizer_config.json', {
      model_max_length: CONTEXT,
      pad_token: END,
      tokenizer_class: 'CLIPTokenizer',
    });
  } else write('open_clip_config.json', SMALL_OPEN_CLIP_CONFIG);
  write('tokenizer.json', SMALL_TOKENIZER);
  return folder;
}
