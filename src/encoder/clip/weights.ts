import { ModelError } from '../../errors.ts';
import { fromBfloat16, fromHalf } from '../../math/half.ts';
import { floatTensor, ofRank, sizeOf, type Tensor } from '../../math/tensor.ts';
import { plural } from '../../words.ts';
import type { ResNetShape } from './resnet.ts';
import type { TextShape } from './text-transformer.ts';
import type { BlockShape } from './transformer.ts';
import type { VitShape } from './vit.ts';

/** Tensors of a checkpoint by name. A tensor is read when it is requested. */
export interface Checkpoint {
  readonly shapes: ReadonlyMap<string, readonly number[]>;
  tensor(name: string): Promise<Tensor>;
  close(): Promise<void>;
}

/** A checkpoint under OpenAI's names. */
export interface ClipCheckpoint extends Checkpoint {
  /** Whether the tensors have Hugging Face's names. */
  readonly hubNames: boolean;
  /** Tensors that a CLIP does not have. */
  readonly foreign: readonly string[];
}

/** Facts about a transformer that shapes do not determine. */
interface TowerRules extends Omit<BlockShape, 'heads'> {
  /** Returns the number of heads for a width, or undefined if it is unknown. */
  heads(width: number): number | undefined;
}

export interface ClipRules {
  readonly image: TowerRules;
  readonly text: TowerRules & Pick<TextShape, 'end'>;
}

/** The architecture, from a checkpoint's shapes and its rules. */
export interface ClipShape {
  readonly image: VitShape | ResNetShape;
  readonly text: TextShape;
  /** Dimension of an embedding. */
  readonly dimension: number;
}

/**
 * The checkpoint in the form that the towers use. Names are OpenAI's (Hugging Face's names are translated, and its projections are
 * transposed), OpenAI's joint query-key-value matrices are split, and batch normalisations are folded into the preceding convolutions.
 * Half precision is widened when a tensor is read. Throws `ModelError` if the checkpoint is not a CLIP.
 */
export function openAiNames(checkpoint: Checkpoint): ClipCheckpoint {
  const names = [...checkpoint.shapes.keys()];
  const hub = names.some((name) => name.startsWith('text_model.'));
  if (!hub && !names.includes('visual.conv1.weight')) {
    throw new ModelError('The weights are not those of a CLIP', {
      code: 'clip/names',
      hint: "Known are the names of OpenAI and open_clip (such as visual.conv1.weight) and of Hugging Face's CLIPModel (text_model and vision_model).",
      details: { names: names.slice(0, 10) },
    });
  }
  const source = (name: string) => (hub ? hubName(name) : name);
  const has = (name: string) => checkpoint.shapes.has(source(name));
  const read = async (name: string): Promise<Tensor> => widened(await checkpoint.tensor(source(name)));

  async function tensor(name: string): Promise<Tensor> {
    const part = /^(.*\.attn\.)([qkv])_proj\.(weight|bias)$/.exec(name);
    if (part && !hub) {
      return third(await read(`${part[1]}in_proj_${part[3]}`), 'qkv'.indexOf(part[2]!));
    }
    if (hub && (name === 'visual.proj' || name === 'text_projection')) return transposed(await read(name));
    const conv = /^(visual\..*?)(conv(\d)|downsample\.0)\.(weight|bias)$/.exec(name);
    const normal = conv && `${conv[1]}${conv[3] ? `bn${conv[3]}` : 'downsample.1'}`;
    if (conv && normal && has(`${normal}.running_mean`)) {
      return foldedPart(read, `${conv[1]}${conv[2]}`, normal, conv[4] === 'bias');
    }
    return read(name);
  }

  const shapes = new Map<string, readonly number[]>();
  const foreign: string[] = [];
  for (const [name, shape] of checkpoint.shapes) {
    if (WITHOUT_EFFECT.test(name)) continue;
    const known = hub ? openAiName(name) : name;
    const joint = known && /^(.*\.attn\.)in_proj_(weight|bias)$/.exec(known);
    const normal =
      known && /^(visual\..*?)(?:bn(\d)|downsample\.1)\.(bias|weight|running_mean|running_var)$/.exec(known);
    if (joint) {
      for (const part of 'qkv')
        shapes.set(`${joint[1]}${part}_proj.${joint[2]}`, [shape[0]! / 3, ...shape.slice(1)]);
    } else if (normal) {
      if (normal[3] === 'bias')
        shapes.set(`${normal[1]}${normal[2] ? `conv${normal[2]}` : 'downsample.0'}.bias`, shape);
    } else if (known) {
      const turned = hub && (known === 'visual.proj' || known === 'text_projection');
      shapes.set(known, turned ? [...shape].reverse() : shape);
    } else foreign.push(name);
  }
  return { shapes, tensor, hubNames: hub, foreign, close: () => checkpoint.close() };
}

/**
 * Tensors of checkpoints without an effect on embeddings: numbers of positions, OpenAI's three sizes, the causal mask, counts of
 * training batches, and a bias that all scores share.
 */
const WITHOUT_EFFECT =
  /(^|\.)(position_ids|attn_mask|num_batches_tracked)$|^(input_resolution|context_length|vocab_size|logit_bias)$/;

/** Derives the architecture from the tensors' shapes and the rules. Throws `ModelError` if they do not fit a CLIP. */
export function shapeOf({ shapes }: Checkpoint, rules: ClipRules): ClipShape {
  const of = <R extends 2 | 4>(name: string, rank: R) => {
    const shape = shapes.get(name);
    if (!shape)
      throw new ModelError(`The weights have no ${name}`, { code: 'clip/missing', details: { name } });
    if (shape.length !== rank || shape.includes(0)) throw misshapen(`${name} is [${shape.join(', ')}]`);
    return ofRank(shape, rank);
  };
  const count = (pattern: RegExp) => {
    const numbers = [...shapes.keys()].flatMap((name) => pattern.exec(name)?.slice(1).map(Number) ?? []);
    return numbers.reduce((most, n) => Math.max(most, n), -1) + 1;
  };
  const headsOf = (width: number, { heads }: TowerRules, tower: string): number => {
    const stated = heads(width);
    if (stated !== undefined && stated > 0 && width % stated === 0) return stated;
    throw new ModelError(
      stated === undefined
        ? `The configuration does not say how many heads the ${tower} tower has`
        : `The ${tower} tower has the width ${width}, which is not a multiple of its ${stated} ${plural(stated, 'head')}`,
      { code: 'clip/heads', details: { width, heads: stated } },
    );
  };
  const [context, textWidth] = of('positional_embedding', 2);
  const { heads: _, ...textRules } = rules.text;
  const text = {
    ...textRules,
    context,
    width: textWidth,
    vocabulary: of('token_embedding.weight', 2)[0],
    blocks: count(/^transformer\.resblocks\.(\d+)\./),
    heads: headsOf(textWidth, rules.text, 'text'),
  };
  const dimension = of('text_projection', 2)[1];
  if (shapes.has('visual.layer1.0.conv1.weight')) {
    const [places, channels] = of('visual.attnpool.positional_embedding', 2);
    const layers = [1, 2, 3, 4].map((layer) => count(new RegExp(`^visual\\.layer${layer}\\.(\\d+)\\.`)));
    const size = sideOf(places - 1) * 32;
    return {
      image: {
        kind: 'resnet',
        size,
        layers,
        width: channels,
        heads: headsOf(channels, rules.image, 'image'),
      },
      text,
      dimension,
    };
  }
  const [width, , patch] = of('visual.conv1.weight', 4);
  const size = sideOf(of('visual.positional_embedding', 2)[0] - 1) * patch;
  const { heads: __, ...imageRules } = rules.image;
  return {
    image: {
      ...imageRules,
      kind: 'vit',
      size,
      patch,
      width,
      blocks: count(/^visual\.transformer\.resblocks\.(\d+)\./),
      heads: headsOf(width, rules.image, 'image'),
    },
    text,
    dimension,
  };
}

/** The side of a square of `places` positions. */
function sideOf(places: number): number {
  const side = Math.round(Math.sqrt(places));
  if (side > 0 && side * side === places) return side;
  throw misshapen(`${places} places are not a square`);
}

export function misshapen(why: string, cause?: unknown): ModelError {
  return new ModelError(`The weights do not fit together as a CLIP: ${why}`, {
    code: 'clip/shape',
    hint: 'They may be damaged or belong to another model. Get them again, or use an ONNX export of the model.',
    cause,
  });
}

/** Parts of OpenAI's and Hugging Face's names, longest first. */
const TRANSLATION: readonly (readonly [openAi: string, hub: string])[] = [
  ['visual.transformer.resblocks.', 'vision_model.encoder.layers.'],
  ['transformer.resblocks.', 'text_model.encoder.layers.'],
  ['visual.class_embedding', 'vision_model.embeddings.class_embedding'],
  ['visual.conv1.weight', 'vision_model.embeddings.patch_embedding.weight'],
  ['visual.positional_embedding', 'vision_model.embeddings.position_embedding.weight'],
  // Every checkpoint has this misspelt name.
  ['visual.ln_pre.', 'vision_model.pre_layrnorm.'],
  ['visual.ln_post.', 'vision_model.post_layernorm.'],
  ['visual.proj', 'visual_projection.weight'],
  ['token_embedding.weight', 'text_model.embeddings.token_embedding.weight'],
  ['positional_embedding', 'text_model.embeddings.position_embedding.weight'],
  ['ln_final.', 'text_model.final_layer_norm.'],
  ['text_projection', 'text_projection.weight'],
  ['logit_scale', 'logit_scale'],
];
const INNER: readonly (readonly [openAi: string, hub: string])[] = [
  ['.attn.', '.self_attn.'],
  ['.ln_1.', '.layer_norm1.'],
  ['.ln_2.', '.layer_norm2.'],
  ['.mlp.c_fc.', '.mlp.fc1.'],
  ['.mlp.c_proj.', '.mlp.fc2.'],
];

function hubName(name: string): string {
  const [openAi, hub] = TRANSLATION.find(([prefix]) => name.startsWith(prefix)) ?? ['', ''];
  return INNER.reduce((text, [ours, theirs]) => text.replace(ours, theirs), hub + name.slice(openAi.length));
}

function openAiName(name: string): string | undefined {
  const found = TRANSLATION.find(([, hub]) => name.startsWith(hub));
  if (!found) return undefined;
  return INNER.reduce(
    (text, [ours, theirs]) => text.replace(theirs, ours),
    found[0] + name.slice(found[1].length),
  );
}

function widened({ dtype, shape, data }: Tensor): Tensor {
  if (dtype === 'float16') return floatTensor(shape, fromHalf(data as Uint16Array));
  if (dtype === 'bfloat16') return floatTensor(shape, fromBfloat16(data as Uint16Array));
  return floatTensor(shape, Float32Array.from(data as Float32Array));
}

function third({ shape, data }: Tensor, index: number): Tensor {
  const rows = shape[0]! / 3;
  const size = sizeOf(shape) / 3;
  return floatTensor(
    [rows, ...shape.slice(1)],
    (data as Float32Array).slice(index * size, (index + 1) * size),
  );
}

function transposed({ shape, data }: Tensor): Tensor {
  const [rows, cols] = ofRank(shape, 2);
  const out = new Float32Array(rows * cols);
  for (let i = 0; i < rows; i++)
    for (let j = 0; j < cols; j++) out[j * rows + i] = Number(data[i * cols + j]);
  return floatTensor([cols, rows], out);
}

/** Weight or bias of a convolution with the following batch normalisation folded in (evaluation mode, eps 1e-5). */
async function foldedPart(
  read: (name: string) => Promise<Tensor>,
  conv: string,
  normal: string,
  bias: boolean,
): Promise<Tensor> {
  const values = async (name: string) => (await read(`${normal}.${name}`)).data as Float32Array;
  const [gain, shift, middle, spread] = await Promise.all([
    values('weight'),
    values('bias'),
    values('running_mean'),
    values('running_var'),
  ]);
  const scale = gain.map((g, i) => g / Math.sqrt(spread[i]! + 1e-5));
  if (bias)
    return floatTensor(
      [gain.length],
      shift.map((b, i) => b - middle[i]! * scale[i]!),
    );
  const { shape, data } = await read(`${conv}.weight`);
  const size = sizeOf(shape) / shape[0]!;
  return floatTensor(
    shape,
    (data as Float32Array).map((x, at) => x * scale[Math.floor(at / size)]!),
  );
}
