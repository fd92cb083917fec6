import { argmax, dot, norm, row, softmax } from '../math/matrix.ts';
import { keysOf } from '../methods/task.ts';
import { integer, positive, real } from '../options.ts';
import { defineTestTime } from './method.ts';
import { entropyOf } from './tda.ts';

/**
 * DMN, the dynamic memory of dual memory networks. The memory of a class has its name's unit row, its examples, and the pictures of the stream
 * that the classifier takes for it, those with the least entropy. It is read by attention:
 *
 *     a_c = unit(sum_k exp(-beta (1 - f . m_k)) m_k),   p = softmax(s f . a_c),
 *
 * with s the logit scale, and the answer is the mean of the classifier's probabilities and p with weights 1 and w. Constants are those of the
 * published code (YBZh/DMN). It searches w on the test pictures, where most sets take 1, and adds a third part, a static memory of names and
 * examples. Here the classifier stands for that part. A picture enters before it is answered, by its own probabilities; the published code
 * takes them from 32 augmented views.
 */
export const dmn = defineTestTime({
  id: 'dmn',
  name: 'DMN',
  paper: 'Zhang et al., CVPR 2024, arXiv 2403.17589',
  needs: ['text'],
  options: {
    weight: real({ default: 1, min: 0, help: "Weight of the memory's answer beside the classifier's own." }),
    beta: positive({ default: 5.5, help: 'How fast the part of a kept picture fades with distance.' }),
    memory: integer({ default: 50, min: 1, help: 'Number of pictures that are kept for each class.' }),
  },
  start({ classes, head, support }, { weight, beta, memory }) {
    const { weights, logitScale } = head!;
    const keys = keysOf(support);
    const fixed = Array.from({ length: classes }, (_, c) => [row(weights, c)]);
    support.labels.forEach((label, n) => {
      fixed[label]!.push(row(keys, n));
    });
    const kept = Array.from({ length: classes }, (): Kept[] => []);
    return {
      get size() {
        return kept.reduce((total, own) => total + own.length, 0);
      },
      next({ feature, logits }) {
        const own = softmax(logits);
        remember(kept[argmax(logits)]!, { feature, entropy: entropyOf(own) }, memory);
        const read = fixed.map((rows, c) => {
          const attended = new Float64Array(feature.length);
          for (const m of rows) attend(attended, m, feature, beta);
          for (const { feature: m } of kept[c]!) attend(attended, m, feature, beta);
          return (logitScale * dot(feature, attended)) / norm(attended);
        });
        const memorised = softmax(read);
        return Float32Array.from(own, (p, c) => (p + weight * memorised[c]!) / (1 + weight));
      },
    };
  },
});

interface Kept {
  readonly feature: Float32Array;
  readonly entropy: number;
}

/** Keeps a picture, in a full memory in place of the one with the largest entropy if that is larger. */
function remember(kept: Kept[], picture: Kept, room: number): void {
  if (kept.length < room) {
    kept.push(picture);
    return;
  }
  const worst = argmax(kept.map(({ entropy }) => entropy));
  if (picture.entropy < kept[worst]!.entropy) kept[worst] = picture;
}

function attend(sum: Float64Array, m: Float32Array, feature: Float32Array, beta: number): void {
  const weight = Math.exp(-beta * (1 - dot(feature, m)));
  for (let j = 0; j < sum.length; j++) sum[j]! += weight * m[j]!;
}
