import { isDeepStrictEqual } from 'node:util';
import { ModelError, TipAdapterError } from '../../errors.ts';
import type { Expr } from '../../graph/expression.ts';
import type { Preprocessing } from '../../image/types.ts';
import { padToken, separatorToken } from '../dual-configuration.ts';
import type { Json } from '../fields.ts';
import { OPENAI_COLOURS, preprocessingOf, preprocessorOf } from '../preprocessor-config.ts';
import type { TextRule } from '../record.ts';
import { type ClipConfiguration, clipConfiguration, type Size } from './configuration.ts';
import { POOL_HEADS } from './pe.ts';
import { asInputs, towersOf } from './towers.ts';
import type { BlockShape, Weights } from './transformer.ts';
import { CLIP_VIT } from './vit.ts';
import { type ClipCheckpoint, type ClipShape, misshapen, shapeOf } from './weights.ts';

/** Facts about a CLIP from its weights and configuration. */
export interface ClipFacts {
  readonly shape: ClipShape;
  readonly logitScale: number;
  /** Present if the weights have one: they were then trained with a sigmoid. */
  readonly logitBias?: number;
  readonly preprocessing: Preprocessing;
  /** Differences between the towers and OpenAI's that the shapes do not show. They are part of the fingerprint. */
  readonly recipe?: Readonly<Record<string, unknown>>;
}

/**
 * Throws `ModelError` if weights and configuration do not fit together, or if one of them holds something unsupported that would change
 * embeddings.
 *
 * @param read returns a parsed configuration file, or undefined if it does not exist
 */
export async function clipFacts(
  checkpoint: ClipCheckpoint,
  read: (path: string) => Json | undefined,
): Promise<ClipFacts> {
  const { rules, sizes, preprocessing } = clipConfiguration(checkpoint, read);
  const shape = shapeOf(checkpoint, rules);
  checkSizes(sizes, shape);
  checkTensors(checkpoint, towersOf(shape), ['logit_scale', 'logit_bias']);
  const { data } = await checkpoint.tensor('logit_scale');
  const logitScale = Math.exp(Number(data[0]));
  if (!Number.isFinite(Math.fround(logitScale)) || logitScale === 0)
    throw misshapen(`logit_scale is ${data[0]}`);
  const logitBias = checkpoint.shapes.has('logit_bias')
    ? Number((await checkpoint.tensor('logit_bias')).data[0])
    : undefined;
  if (logitBias !== undefined && !Number.isFinite(logitBias)) throw misshapen(`logit_bias is ${logitBias}`);
  return {
    shape,
    logitScale,
    logitBias,
    preprocessing: pixelsOf(shape, preprocessing, read),
    recipe: recipeOf(shape),
  };
}

/**
 * The conversion of texts to tokens. It reads the files of the tokenizer, which may be large. Throws `ModelError` if they do not say how
 * texts are padded although the tower attends to the padding.
 */
export function clipTextRule(
  checkpoint: ClipCheckpoint,
  { text }: ClipShape,
  read: (path: string) => Json | undefined,
): TextRule {
  const { cleaning, pad, erasesSeparator } = clipConfiguration(checkpoint, read).text;
  const token = pad === 'tokenizer' ? padToken(read) : pad;
  if (token === undefined && !(text.causal && text.pool === 'end'))
    throw new ModelError('The files of the tokenizer do not say with which token texts are padded', {
      code: 'weights/padding',
      hint: 'Get tokenizer.json and tokenizer_config.json from the source of the weights.',
    });
  const erased = erasesSeparator ? separatorToken(read) : undefined;
  if (erasesSeparator && erased === undefined)
    throw new ModelError(
      'model_cfg.text_cfg.tokenizer_kwargs.strip_sep_token is true, but the files of the tokenizer name no separator',
      {
        code: 'weights/padding',
        hint: 'Get tokenizer.json and tokenizer_config.json from the source of the weights.',
      },
    );
  const rule = { cleaning, length: text.context, padding: 'fixed', pad: token ?? 0 } as const;
  return erased === undefined ? rule : { ...rule, erased };
}

/** Throws `ModelError` that names a stated size that the weights do not have. */
export function checkSizes<Shape>(sizes: readonly Size<Shape>[], shape: Shape): void {
  for (const [field, stated, of] of sizes) {
    const size = of(shape);
    if (stated === undefined || size === undefined || stated === size) continue;
    throw new ModelError(`${field} is ${stated}, but the weights are of ${size}`, {
      code: 'weights/size',
      hint: 'The configuration and the weights are of two models, or the weights need resizing, which is not supported.',
      details: { field, stated, size },
    });
  }
}

/**
 * Throws `ModelError` for a tensor that the towers do not use, because the true model would use it, and for tensors that are missing or do
 * not fit together. `others` are tensors that are used elsewhere.
 */
export function checkTensors(
  { shapes, foreign }: Pick<ClipCheckpoint, 'shapes' | 'foreign'>,
  towers: readonly ((weights: Weights) => Expr)[],
  others: readonly string[] = [],
): void {
  const used = new Set([...others, ...usedNames({ shapes }, towers)]);
  const [unknown] = [...foreign, ...[...shapes.keys()].filter((name) => !used.has(name))];
  if (unknown === undefined) return;
  throw new ModelError(`The weights hold ${unknown}, which is not supported`, {
    code: 'weights/tensor',
    hint: 'They are of another variant of the model; use an ONNX export.',
    details: { name: unknown },
  });
}

function usedNames(
  { shapes }: Pick<ClipCheckpoint, 'shapes'>,
  towers: readonly ((weights: Weights) => Expr)[],
): Set<string> {
  const names = new Set<string>();
  try {
    for (const build of towers) build(asInputs({ shapes }, (name) => names.add(name)));
    return names;
  } catch (error) {
    // Building an expression throws if shapes do not fit together.
    if (error instanceof ModelError || !(error instanceof TipAdapterError)) throw error;
    const near = [...names].slice(-2).map((name) => `${name} [${shapes.get(name)?.join(', ')}]`);
    throw misshapen(`${error.message}, at ${near.join(' or ')}`, error);
  }
}

function pixelsOf(
  { image }: ClipShape,
  openClip: ClipConfiguration['preprocessing'],
  read: (path: string) => Json | undefined,
): Preprocessing {
  const { size } = image;
  if (openClip) {
    return {
      resize: openClip.resize_mode ?? 'shortest',
      resizeTo: size,
      crop: size,
      filter: openClip.interpolation ?? 'bicubic',
      channels: 'rgb',
      layout: 'nchw',
      scale: 1 / 255,
      mean: openClip.mean ?? OPENAI_COLOURS.mean,
      std: openClip.std ?? OPENAI_COLOURS.std,
    };
  }
  const stated = preprocessorOf(read);
  if (!stated && image.kind === 'vit' && image.pool === 'attention')
    throw new ModelError('The weights of a SigLIP lack preprocessor_config.json', {
      code: 'encoder/no-configuration',
      hint: 'Get it from the source of the weights.',
    });
  const { json, file } = stated ?? {
    json: { image_processor_type: 'CLIPImageProcessor', size: { shortest_edge: size }, crop_size: size },
  };
  const pixels = preprocessingOf(json, file);
  if (pixels.crop === size) return pixels;
  throw new ModelError(`Pictures are prepared to ${pixels.crop} pixels, but the weights are of ${size}`, {
    code: 'weights/size',
    details: { file, crop: pixels.crop, size },
  });
}

/** Undefined for OpenAI's models, so that their fingerprint, and thus their classifiers, stay valid. */
function recipeOf({ image, text }: ClipShape): ClipFacts['recipe'] {
  const own = ({ width, heads, ...blocks }: { width: number; heads: number } & Partial<BlockShape>) => {
    const { activation = 'quick_gelu', epsilon = 1e-5 } = blocks;
    const openAi = width === 64 * heads && activation === 'quick_gelu' && epsilon === 1e-5;
    return openAi ? undefined : { heads, activation, epsilon };
  };
  const { pool, preNorm } = image.kind === 'vit' ? image : CLIP_VIT;
  const { causal, pool: place } = text;
  const parts = {
    image:
      image.kind === 'convnext'
        ? { epsilon: image.epsilon }
        : image.kind === 'eva'
          ? { ...own(image), grid: image.grid }
          : image.kind === 'pe'
            ? { ...own(image), grid: image.grid, offset: image.offset, pool: POOL_HEADS }
            : own(image),
    text: own(text),
    // The largest number of the vocabulary is also the largest of every text.
    end: text.end === text.vocabulary - 1 ? undefined : text.end,
    pictures: isDeepStrictEqual({ pool, preNorm }, CLIP_VIT) ? undefined : { pool, preNorm },
    texts: causal && place === 'end' ? undefined : { causal, pool: place },
  };
  const recipe = Object.entries(parts).filter(([, part]) => part !== undefined);
  return recipe.length > 0 ? Object.fromEntries(recipe) : undefined;
}
