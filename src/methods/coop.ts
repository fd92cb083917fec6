import { interpreterEngine } from '../engine/interpreter-engine.ts';
import { warmedRate } from '../engine/training/schedule.ts';
import { UsageError } from '../errors.ts';
import { add, mul } from '../graph/elementwise.ts';
import { type Expr, input } from '../graph/expression.ts';
import { reshape } from '../graph/layout.ts';
import { matmul, matmulT, unit } from '../graph/products.ts';
import { random } from '../math/random.ts';
import { floatTensor, ofRank, type Tensor } from '../math/tensor.ts';
import { choice, flag, integer, optional, positive, text } from '../options.ts';
import { count } from '../words.ts';
import { COUNT, defineMethod, headInputs, type TaskWith } from './method.ts';
import type { Task } from './task.ts';
import type { TextTower } from './text-tower.ts';
import { type Training, train } from './train.ts';

/**
 * CoOp: the words around the class name are learnt, as embeddings that pass through the frozen text encoder (Zhou et al., IJCV 2022, arXiv
 * 2109.01134, section 3.2). There is one context for all classes, or one for each class (class-specific, CSC). The state holds the context
 * and the embeddings of the resulting texts, so that prediction needs no text encoder.
 */
export const coOp = defineMethod({
  id: 'coop',
  name: 'CoOp',
  paper: 'Zhou et al., IJCV 2022, arXiv 2109.01134, section 3.2',
  needs: ['text', 'examples', 'text-tower'],
  ignores: ['prompts'],
  trains: true,
  overridden: [['init', 'context']],
  options: {
    context: optional(
      integer({ min: 1, max: 64, help: 'Number of learnt words, if they start at random (default: 16).' }),
    ),
    init: optional(text({ help: 'Words to start from, for instance "a photo of a".' })),
    classSpecific: flag({ help: 'Learn separate words for each class.' }),
    position: choice(['end', 'middle', 'front'], {
      default: 'end',
      help: 'Where the class name stands among the learnt words.',
    }),
    epochs: optional(
      integer({
        min: 1,
        help: 'Times each example is seen (default: 50 at 1 shot, 100 at 2 to 4, 200 above).',
      }),
    ),
    rate: positive({
      default: 2e-3,
      help: 'Learning rate after the first epoch; it falls to 0 along a cosine.',
    }),
    batch: integer({ default: 32, min: 1, help: 'Examples per step.' }),
  },
  fit: async (task, options) => {
    const prompts = promptsOf(task, options);
    const given = { ...options, epochs: options.epochs ?? publishedEpochs(task) };
    const { parameters, epochs } = await train(task, contextTraining(task, given, prompts));
    const embeddings = await embedContext(task, prompts, parameters.context);
    return { context: parameters.context, text: embeddings, epochs };
  },
  holds: ({ classes, dimension }, { classSpecific }) => ({
    context: { shape: classSpecific ? [classes, null, null] : [null, null] },
    text: { shape: [classes, dimension] },
    epochs: COUNT,
  }),
  prepare: ({ text: rows }) => ({ text: rows }),
  terms: (f, state, { head }) => ({
    text: mul(matmulT(unit(f), unit(state.text)), head.logitScale), // [m, c]
  }),
});

function publishedEpochs({ support, classes }: Task): number {
  const shots = support.labels.length / classes;
  return shots < 2 ? 50 : shots < 8 ? 100 : 200;
}

/** Prompts with places for the context. */
export interface Prompts {
  readonly tower: TextTower;
  /** Embeddings of the fixed tokens, [c, t, w]. They are 0 at the places of the context. */
  readonly fixed: Tensor;
  /** The word of the context at each token, one-hot, [c * t, m]. */
  readonly places: Tensor;
  /** 1 at the end-of-text token of each text, [c, t]. */
  readonly end: Tensor;
  /** The context at the start: [m, w] for all classes, or [c, m, w] with one for each class. */
  readonly start: Tensor;
}

interface PromptOptions {
  readonly context?: number;
  readonly init?: string;
  readonly classSpecific?: boolean;
  readonly position: 'end' | 'middle' | 'front';
}

/** Lays out `start V1 … Vm NAME . end` for every class. The name stands at the end of the context, in its middle or in front of it. */
export function promptsOf(
  { textTower, seed }: TaskWith<'text-tower'>,
  { context = 16, init, classSpecific = false, position }: PromptOptions,
): Prompts {
  const { tower, names } = textTower;
  const words = (phrase: string) => Array.from(tower.tokenize(phrase)).slice(1, -1);
  const ends = Array.from(tower.tokenize(''));
  const [first, last] = [ends[0]!, ends.at(-1)!];
  const contexts = classSpecific ? names.length : 1;
  const data =
    init === undefined
      ? randomContexts(contexts * context * tower.width, seed)
      : repeated(tower.embedTokens(Int32Array.from(words(init))).data, contexts);
  const m = data.length / contexts / tower.width;
  const start = floatTensor([...(classSpecific ? [contexts] : []), m, tower.width], data);
  const open = Array.from({ length: m }, (_, i) => -1 - i);
  const rows = names.map((name) => {
    const tokens = words(`${name}.`);
    const [own, stop] = [tokens.slice(0, -1), tokens.slice(-1)];
    const before = position === 'end' ? m : position === 'middle' ? m >> 1 : 0;
    const row = [first, ...open.slice(0, before), ...own, ...open.slice(before), ...stop, last];
    if (row.length <= tower.context) return row;
    throw new UsageError(
      `${count(m, 'learnt word')} and the name "${name}" make ${count(row.length, 'token')}; the encoder reads ${tower.context}`,
      {
        code: 'coop/too-long',
        hint: 'Learn fewer words (--context), or give the class a shorter prompt name in classes.csv.',
        details: { name, tokens: row.length, context: tower.context },
      },
    );
  });
  const t = rows.reduce((most, row) => Math.max(most, row.length), 0);
  const fixed = new Float32Array(rows.length * t * tower.width);
  const places = new Float32Array(rows.length * t * m);
  const end = new Float32Array(rows.length * t);
  rows.forEach((row, c) => {
    row.forEach((token, i) => {
      const at = c * t + i;
      if (token < 0) places[at * m - 1 - token] = 1;
      else fixed.set(tower.embedTokens(Int32Array.of(token)).data, at * tower.width);
    });
    end[c * t + row.length - 1] = 1;
  });
  return {
    tower,
    fixed: floatTensor([rows.length, t, tower.width], fixed),
    places: floatTensor([rows.length * t, m], places),
    end: floatTensor([rows.length, t], end),
    start,
  };
}

function randomContexts(size: number, seed: number): Float32Array {
  const { normal } = random('coop', seed);
  return Float32Array.from({ length: size }, () => 0.02 * normal());
}

function repeated(data: Float32Array, times: number): Float32Array {
  const all = new Float32Array(data.length * times);
  for (let i = 0; i < times; i++) all.set(data, i * data.length);
  return all;
}

/** Embeddings [c, d] of the texts with a context [m, w], or with one for each class, [c, m, w]. */
function encodeContext(context: Expr, { tower, fixed, places, end }: Prompts): Expr {
  const rows = input('prompt.places', places.shape); // [c * t, m]
  const [c, t] = ofRank(fixed.shape, 3);
  const [m] = context.shape.slice(-2);
  const placed = matmul(context.shape.length === 3 ? reshape(rows, [c, t, m!]) : rows, context);
  const embeddings = add(input('prompt.fixed', fixed.shape), reshape(placed, fixed.shape));
  return tower.encode(embeddings, input('prompt.end', end.shape));
}

export function promptFeeds({ tower, fixed, places, end }: Prompts): Record<string, Tensor> {
  return { ...tower.weights, 'prompt.fixed': fixed, 'prompt.places': places, 'prompt.end': end };
}

/** The published training: SGD with momentum. `penaltyOf` maps the texts' embeddings [c, d] to a scalar that is added to the loss. */
export function contextTraining(
  task: TaskWith<'text'>,
  { epochs, rate, batch }: { epochs: number; rate: number; batch: number },
  prompts: Prompts,
  penaltyOf?: (text: Expr) => Expr,
): Training<'context'> {
  const { feeds } = headInputs(task);
  const text = encodeContext(input('context', prompts.start.shape), prompts);
  return {
    parameters: { context: prompts.start },
    fixed: { ...promptFeeds(prompts), 'head.logitScale': feeds['head.logitScale'] },
    scores: ({ f }) => mul(matmulT(unit(f), unit(text)), input('head.logitScale', [])),
    penalty: penaltyOf?.(text),
    optimiser: { kind: 'sgd', momentum: 0.9, weightDecay: 5e-4 },
    rate: (steps) => warmedRate(rate, steps, epochs),
    epochs,
    batch,
  };
}

/** The embeddings [c, d] of the class names' texts with a learnt context. */
export async function embedContext(
  { engine, signal }: Task,
  prompts: Prompts,
  context: Tensor,
): Promise<Tensor> {
  const runs = engine ?? interpreterEngine();
  const session = await runs.compile({ text: encodeContext(input('context', context.shape), prompts) });
  const { text: rows } = await session.run({ ...promptFeeds(prompts), context }, { signal });
  await session.close();
  return rows;
}
