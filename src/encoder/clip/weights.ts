import type { WeightFiles } from '../../engine/types.ts';
import { ModelError } from '../../errors.ts';
import { fromBfloat16, fromHalf } from '../../math/half.ts';
import {
  bytesPerNumber,
  floatTensor,
  ofRank,
  type StoredTensor,
  sizeOf,
  type Tensor,
  transposed,
} from '../../math/tensor.ts';
import { plural } from '../../words.ts';
import type { ConvNextShape } from './convnext.ts';
import type { EvaShape } from './eva.ts';
import { namingOf, type View, viewsOf } from './names.ts';
import type { PeRules, PeShape } from './pe.ts';
import type { ResNetShape } from './resnet.ts';
import type { TextShape } from './text-transformer.ts';
import type { BlockShape } from './transformer.ts';
import type { VitShape } from './vit.ts';

/** Tensors of a checkpoint by name. A tensor is read when it is requested. */
export interface Checkpoint {
  readonly shapes: ReadonlyMap<string, readonly number[]>;
  tensor(name: string): Promise<Tensor>;
  /** Absent if the tensors do not lie in files as they are. */
  readonly files?: CheckpointFiles;
  close(): Promise<void>;
}

/** The files of a checkpoint. */
export interface CheckpointFiles extends WeightFiles {
  /** The place of a tensor in its file. Undefined if no file has it in the form that the towers use. */
  place(name: string): StoredTensor | undefined;
}

/** A checkpoint under OpenAI's names. */
export interface ClipCheckpoint extends Checkpoint {
  /** Whether the tensors have Hugging Face's names. */
  readonly hubNames: boolean;
  /** Whether they are in a program of TorchScript, the form of OpenAI's releases. */
  readonly isScript?: boolean;
  /** Tensors that a CLIP does not have. */
  readonly foreign: readonly string[];
  /** The tensors with an effect by their names here, before batch normalisations are folded. */
  readonly views: ReadonlyMap<string, View>;
}

/** Facts about a transformer that shapes do not determine. */
interface TowerRules extends Omit<BlockShape, 'heads'> {
  /** Returns the number of heads for a width, or undefined if it is unknown. */
  heads(width: number): number | undefined;
}

export interface ClipRules {
  readonly image: TowerRules &
    Pick<VitShape, 'pool' | 'preNorm'> & {
      /** Of a ConvNeXt. */
      readonly size?: number;
      /** Of an EVA: see `EvaShape`. */
      readonly grid?: number;
      /** Of a Perception Encoder. */
      readonly pe?: PeRules;
    };
  readonly text: TowerRules & Pick<TextShape, 'causal' | 'pool' | 'end'>;
}

/** The architecture, from a checkpoint's shapes and its rules. */
export interface ClipShape {
  readonly image: VitShape | ResNetShape | ConvNextShape | EvaShape | PeShape;
  readonly text: TextShape;
  /** Dimension of an embedding. */
  readonly dimension: number;
  /** The number of pre-projection features that a row has beside an embedding, if it has them. */
  readonly features?: number;
}

/**
 * The checkpoint in the form that the towers use. Names are OpenAI's (those of Hugging Face, of open_clip's own text tower and of timm
 * are translated), joint query-key-value matrices are split, and batch normalisations are folded into the preceding convolutions. Half
 * precision is widened when a tensor is read. Throws `ModelError` if the checkpoint is not a CLIP or SigLIP.
 */
export function openAiNames(checkpoint: Checkpoint): ClipCheckpoint {
  const naming = namingOf([...checkpoint.shapes.keys()]);
  const views = new Map<string, View>();
  const shapes = new Map<string, readonly number[]>();
  const foreign: string[] = [];
  for (const [source, shape] of checkpoint.shapes) {
    if (WITHOUT_EFFECT.test(source)) continue;
    const name = naming.translate(source);
    const normal =
      name && /^(visual\..*?)(?:bn(\d)|downsample\.1)\.(bias|weight|running_mean|running_var)$/.exec(name);
    if (normal) {
      views.set(name, { source, shape });
      if (normal[3] === 'bias')
        shapes.set(`${normal[1]}${normal[2] ? `conv${normal[2]}` : 'downsample.0'}.bias`, shape);
    } else if (name === undefined) foreign.push(source);
    else
      for (const [part, view] of viewsOf(name, source, shape)) {
        views.set(part, view);
        shapes.set(part, view.shape);
      }
  }
  const read = async (source: string) => widened(await checkpoint.tensor(source), source);
  const files = filesUnder(checkpoint, views);

  async function tensor(name: string): Promise<Tensor> {
    const conv = /^(visual\..*?)(conv(\d)|downsample\.0)\.(weight|bias)$/.exec(name);
    const normal = conv && `${conv[1]}${conv[3] ? `bn${conv[3]}` : 'downsample.1'}`;
    if (conv && normal && checkpoint.shapes.has(`${normal}.running_mean`)) {
      return foldedPart(read, `${conv[1]}${conv[2]}`, normal, conv[4] === 'bias');
    }
    const view = views.get(name);
    // The checkpoint names a missing tensor in its error.
    return view ? readView(read, view) : read(name);
  }

  return { shapes, tensor, files, hubNames: naming.hub, foreign, views, close: () => checkpoint.close() };
}

/** The files of a checkpoint under the names of the towers. */
export function filesUnder(
  { files }: Checkpoint,
  views: ReadonlyMap<string, View>,
): CheckpointFiles | undefined {
  if (!files) return undefined;
  const place = (name: string): StoredTensor | undefined => {
    const { source, shape, part, transposed: turned } = views.get(name) ?? {};
    const whole = source === undefined || turned ? undefined : files.place(source);
    if (!whole || !shape) return undefined;
    const skipped = (part?.[0] ?? 0) * sizeOf(shape) * bytesPerNumber(whole);
    return { ...whole, shape, offset: whole.offset + skipped };
  };
  return { ...files, place };
}

/** Reads the part of a checkpoint's tensor that a tower uses. */
export async function readView(
  read: (source: string) => Promise<Tensor>,
  { source, shape, part, transposed: turned }: View,
): Promise<Tensor> {
  const whole = await read(source);
  if (part) return slice(whole, part);
  return turned ? transposed(whole) : { ...whole, shape };
}

/**
 * Tensors of checkpoints without an effect: numbers of positions, OpenAI's three sizes, the causal mask, and counts of training batches.
 */
const WITHOUT_EFFECT =
  /(^|\.)(position_ids|attn_mask|num_batches_tracked)$|^(input_resolution|context_length|vocab_size)$/;

/** Readers of tensors' shapes, for what an architecture is derived from. */
export function readShapes(shapes: Checkpoint['shapes']) {
  return {
    /** The shape of a tensor. Throws `ModelError` if it is missing, is empty or has another rank. */
    of<R extends 2 | 4>(name: string, rank: R) {
      const shape = shapes.get(name);
      if (!shape)
        throw new ModelError(`The weights have no ${name}`, { code: 'weights/missing', details: { name } });
      if (shape.length !== rank || shape.includes(0)) throw misshapen(`${name} is [${shape.join(', ')}]`);
      return ofRank(shape, rank);
    },
    /** One more than the largest number that the pattern captures in a name; 0 if no name fits. */
    count(pattern: RegExp) {
      const numbers = [...shapes.keys()].flatMap((name) => pattern.exec(name)?.slice(1).map(Number) ?? []);
      return numbers.reduce((most, n) => Math.max(most, n), -1) + 1;
    },
  };
}

/** Derives the architecture from the tensors' shapes and the rules. Throws `ModelError` if they do not fit a CLIP. */
export function shapeOf({ shapes }: Checkpoint, rules: ClipRules): ClipShape {
  const { of, count } = readShapes(shapes);
  const headsOf = (width: number, { heads }: TowerRules, tower: string): number => {
    const stated = heads(width);
    if (stated !== undefined && stated > 0 && width % stated === 0) return stated;
    throw new ModelError(
      stated === undefined
        ? `The configuration does not say how many heads the ${tower} tower has`
        : `The ${tower} tower has the width ${width}, which is not a multiple of its ${stated} ${plural(stated, 'head')}`,
      { code: 'weights/heads', details: { width, heads: stated } },
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
    projectionBias: shapes.has('text_projection.bias'),
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
  if (shapes.has('visual.stem.conv.weight')) {
    const { activation, epsilon, size } = rules.image;
    if (size === undefined)
      throw misshapen('they are of a ConvNeXt, and the configuration is of another model');
    if (size < 32) throw misshapen(`pictures of ${size} pixels are smaller than a ConvNeXt's step of 32`);
    const layers = [0, 1, 2, 3].map((stage) =>
      count(new RegExp(`^visual\\.stages\\.${stage}\\.blocks\\.(\\d+)\\.`)),
    );
    const [width] = of('visual.stages.3.reduce.conv.weight', 4);
    const perceptron = !shapes.has('visual.proj');
    return {
      image: { kind: 'convnext', activation, epsilon, size, layers, width, perceptron },
      text,
      dimension,
    };
  }
  const [width, , patch] = of('visual.conv1.weight', 4);
  const { pe } = rules.image;
  const classTokens = Number(pe?.classToken ?? rules.image.pool !== 'attention');
  const size = sideOf(of('visual.positional_embedding', 2)[0] - classTokens) * patch;
  const { activation, epsilon, pool, preNorm, grid } = rules.image;
  const common = {
    activation,
    epsilon,
    size,
    patch,
    width,
    blocks: count(/^visual\.transformer\.resblocks\.(\d+)\./),
    heads: headsOf(width, rules.image, 'image'),
  };
  if (!pe && grid === undefined) return { image: { ...common, kind: 'vit', pool, preNorm }, text, dimension };
  if (width % (4 * common.heads) !== 0)
    throw misshapen(`the width ${width} does not give heads of whole rotations`);
  const image = pe
    ? { ...common, ...pe, kind: 'pe' as const }
    : { ...common, kind: 'eva' as const, grid: grid! };
  return { image, text, dimension };
}

/** The side of a square of `places` positions. */
export function sideOf(places: number): number {
  const side = Math.round(Math.sqrt(places));
  if (side > 0 && side * side === places) return side;
  throw misshapen(`${places} places are not a square`);
}

export function misshapen(why: string, cause?: unknown): ModelError {
  return new ModelError(`The weights do not fit together: ${why}`, {
    code: 'weights/shape',
    hint: 'They may be damaged or belong to another model. Get them again, or use an ONNX export of the model.',
    cause,
  });
}

/**
 * A tensor in single precision: the same numbers without a copy if it has it already. Throws `ModelError` for integers, which are units of
 * quantised weights.
 *
 * @param name the tensor's name in its file
 */
export function widened({ dtype, shape, data }: Tensor, name: string): Tensor {
  if (data instanceof Float32Array) return floatTensor(shape, data);
  if (dtype === 'float16') return floatTensor(shape, fromHalf(data as Uint16Array));
  if (dtype === 'bfloat16') return floatTensor(shape, fromBfloat16(data as Uint16Array));
  if (data instanceof Float64Array) return floatTensor(shape, Float32Array.from(data));
  throw new ModelError(
    `The weights hold ${name} in the type ${dtype}, and only floating-point numbers are read`,
    {
      code: 'weights/type',
      hint: 'They are quantised. Get the weights in single or half precision, or use an ONNX export.',
      details: { name, dtype },
    },
  );
}

/** One of equal parts along the first axis. */
function slice({ shape, data }: Tensor, [index, of]: readonly [number, number]): Tensor {
  const size = sizeOf(shape) / of;
  return floatTensor(
    [shape[0]! / of, ...shape.slice(1)],
    (data as Float32Array).slice(index * size, (index + 1) * size),
  );
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
