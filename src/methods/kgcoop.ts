import { mul, sub } from '../graph/elementwise.ts';
import { input } from '../graph/expression.ts';
import { matmulT, unit } from '../graph/products.ts';
import { mean, sum } from '../graph/reduce.ts';
import { floatTensor } from '../math/tensor.ts';
import { integer, positive, real, text } from '../options.ts';
import { contextTraining, embedContext, type Prompts, promptsOf } from './coop.ts';
import { COUNT, defineMethod, headInputs, type TaskWith } from './method.ts';
import { type Training, train } from './train.ts';

/**
 * KgCoOp (Yao et al., CVPR 2023, arXiv 2303.13283, eq. 4-5) is CoOp with a penalty that keeps the learnt texts t_c near the head's rows w_c, so that
 * accuracy on other classes falls less: loss = CE + weight (1 - mean_c cos(t_c, w_c)). The published penalty is the squared distance; for unit vectors
 * its half is 1 - cosine.
 */
export const kgCoOp = defineMethod({
  id: 'kgcoop',
  name: 'KgCoOp',
  paper: 'Yao et al., CVPR 2023, arXiv 2303.13283, eq. 4-5',
  notes: [
    '**Equations.** Texts `t_c` of a shared context as in CoOp; `loss = CE + weight (1 - mean_c cos(t_c, w_c))`, with the head\'s rows `w_c`; weight 8, a context that starts from "a photo of a", 100 epochs on batches of 128.',
    '**Published.** 80.73 / 73.60 / 77.00% on base classes, new classes and their harmonic mean (16 shots, ViT-B/16, eleven data sets); CoOp has 82.69 / 63.22 / 71.66%.',
    '**Different from the authors.** Prompts are learnt in single precision (the authors use half precision). The authors compare the texts with one prompt for each data set. Here they are compared with the head, which may be the mean of several prompts.',
  ].join('\n\n'),
  needs: ['text', 'examples', 'text-tower'],
  trains: true,
  options: {
    init: text({ default: 'a photo of a', help: 'Words to start from.' }),
    weight: real({
      default: 8,
      min: 0,
      help: "Weight of the penalty that keeps the texts near the class names' own prompts.",
    }),
    epochs: integer({ default: 100, min: 1, help: 'Times each example is seen.' }),
    rate: positive({
      default: 2e-3,
      help: 'Learning rate after the first epoch; it falls to 0 along a cosine.',
    }),
    batch: integer({ default: 128, min: 1, help: 'Examples per step.' }),
  },
  fit: async (task, options) => {
    const prompts = promptsOf(task, { init: options.init, position: 'end' });
    const { parameters, epochs } = await train(task, guidedTraining(task, options, prompts));
    return { ...parameters, text: await embedContext(task, prompts, parameters.context), epochs };
  },
  holds: ({ classes, dimension }) => ({
    context: { shape: [null, null] },
    text: { shape: [classes, dimension] },
    epochs: COUNT,
  }),
  prepare: ({ text: rows }) => ({ text: rows }),
  terms: (f, state, { head }) => ({
    text: mul(matmulT(unit(f), unit(state.text)), head.logitScale), // [m, c]
  }),
});

/** CoOp's training, with the distance of the texts from the head as a penalty. */
function guidedTraining(
  task: TaskWith<'text'>,
  { weight, ...how }: { weight: number; epochs: number; rate: number; batch: number },
  prompts: Prompts,
): Training<'context'> {
  const { feeds } = headInputs(task);
  const known = input('head.weights', [task.classes, task.dimension]);
  const training = contextTraining(task, how, prompts, (rows) => {
    const cosines = sum(mul(unit(rows), known), [1]); // [c]
    return mul(sub(1, mean(cosines, [0])), input('weight', []));
  });
  return {
    ...training,
    fixed: {
      ...training.fixed,
      'head.weights': feeds['head.weights'],
      weight: floatTensor([], Float32Array.of(weight)),
    },
  };
}
