import type { Pieces } from '../abort.ts';
import { div, log, mul, sub } from '../graph/elementwise.ts';
import { matmulT } from '../graph/products.ts';
import { softmax, sum } from '../graph/reduce.ts';
import { dot, type Matrix, matrix, productTInPieces, row, softmax as softmaxOf } from '../math/matrix.ts';
import { floatTensor } from '../math/tensor.ts';
import { positive, real } from '../options.ts';
import { cacheTensors, classSums } from './cache.ts';
import { defineMethod, SCALE, WEIGHT } from './method.ts';
import { countByClass, keysOf } from './task.ts';
import { zeroShotLogits } from './zero-shot.ts';

/** Number of examples whose distances from each other give the range of psi. */
const SAMPLED = 500;

/**
 * Tip-X: Tip-Adapter with additional votes by the similarity of the zero-shot probabilities of query and example (Udandarao et al., ICCV
 * 2023, arXiv 2211.16198, eq. 5-7). scores = s f W^T + alpha exp(-beta (1 - f F^T)) L + gamma psi(-KL(p_f | p_F)) L with p = softmax(f W^T
 * / temperature). psi maps the divergences to the range of the affinities. The published code takes both ranges from the test set. Here
 * they are those of the examples, so that a picture's scores do not depend on other pictures.
 */
export const tipX = defineMethod({
  id: 'tip-x',
  name: 'Tip-X',
  paper: 'Udandarao et al., ICCV 2023, arXiv 2211.16198, eq. 5-7',
  needs: ['text', 'examples'],
  options: {
    alpha: real({ default: 1, min: 0, help: "Weight of the examples' votes relative to the class names." }),
    beta: positive({ default: 5.5, max: 1000, help: "How fast an example's vote fades with distance." }),
    gamma: real({
      default: 0.1,
      min: 0,
      help: 'Weight of the votes by similarity of the zero-shot probabilities.',
    }),
    temperature: positive({ default: 0.5, help: 'Divisor of the cosines with the class names.' }),
  },
  fit: (_, { alpha, beta, gamma, temperature }) => ({ alpha, beta, gamma, temperature }),
  holds: () => ({ alpha: WEIGHT, beta: SCALE, gamma: WEIGHT, temperature: SCALE }),
  prepare: function* (state, { support, classes, head }) {
    const keys = keysOf(support);
    const cosines = yield* productTInPieces(keys, head.weights);
    const logs = matrix(cosines.rows, classes); // log p_F, [n, c]
    for (let i = 0; i < cosines.rows; i++) {
      yield;
      row(logs, i).set(softmaxOf(row(cosines, i), state.temperature).map(Math.log));
    }
    const sums = matrix(classes, classes);
    support.labels.forEach((label, i) => {
      const target = row(sums, label);
      row(logs, i).forEach((x, k) => {
        target[k]! += x;
      });
    });
    return {
      ...state,
      ...cacheTensors(keys, support.labels, classes),
      logSums: floatTensor([classes, classes], sums.data),
      counts: floatTensor([classes], Float32Array.from(countByClass(support.labels, classes))),
      slope: yield* slopeOf(keys, logs),
    };
  },
  terms: (f, state, task) => {
    const text = zeroShotLogits(f, task.head);
    const p = softmax(div(text, mul(state.temperature, task.head.logitScale))); // [m, c]
    const negentropy = sum(mul(p, log(p)), [1], true); // [m, 1]
    // KL is linear in log p_F, so the sum over the examples of a class is a product with the sum of their log p_F.
    const divergences = sub(mul(negentropy, state.counts), matmulT(p, state.logSums)); // [m, c]
    const names = sub(state.counts, mul(divergences, state.slope));
    return {
      text,
      cache: mul(classSums(f, state), state.alpha), // [m, c]
      method: mul(names, state.gamma), // [m, c]
    };
  },
});

/**
 * The share of the affinities' range that one unit of divergence takes. The most distant of the sampled examples has the same distance by
 * both measures.
 */
function* slopeOf(keys: Matrix, logs: Matrix): Pieces<number> {
  const step = Math.max(1, Math.ceil(keys.rows / SAMPLED));
  const sampled = [...Array(keys.rows).keys()].filter((i) => i % step === 0);
  let least = 1;
  let furthest = 0;
  for (const i of sampled) {
    yield;
    const p = row(logs, i).map(Math.exp);
    const negentropy = dot(p, row(logs, i));
    for (const j of sampled) {
      least = Math.min(least, dot(row(keys, i), row(keys, j)));
      furthest = Math.max(furthest, negentropy - dot(p, row(logs, j)));
    }
  }
  return furthest > 0 ? (1 - least) / furthest : 0;
}
