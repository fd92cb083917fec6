import { argmax, dot, softmax } from '../math/matrix.ts';
import { integer, positive, real } from '../options.ts';
import { defineTestTime } from './method.ts';

/** Normalised entropies between which a picture is uncertain, and the probability above which its classes are not ruled out. */
const UNCERTAIN = { above: 0.2, below: 0.5 };
const POSSIBLE = 0.03;
/** Weight and sharpness of the negative cache. */
const NEGATIVE = { alpha: 0.117, beta: 1 };

/**
 * TDA, a training-free dynamic adapter. Two caches of pictures are kept for each class that the classifier takes pictures for, those with the
 * least entropy of its probabilities p. The positive cache has the certain ones, and its picture k votes for its class y_k. The negative cache
 * has the uncertain ones (normalised entropy between .2 and .5), and its picture votes against the classes with p above .03:
 *
 *     logits + alpha sum_k exp(-beta (1 - f . f_k)) y_k - alpha' sum_k exp(-beta' (1 - f . f_k)) [p_k > .03].
 *
 * Constants are those of the published code for ImageNet (kdiAAA/TDA, configs/imagenet.yaml); for other data sets it has other alphas and
 * betas. As there, the entropy in nats is divided by the binary logarithm of the number of classes, and a picture enters before it is answered.
 */
export const tda = defineTestTime({
  id: 'tda',
  name: 'TDA',
  paper: 'Karmanov et al., CVPR 2024, arXiv 2403.18293',
  needs: [],
  options: {
    alpha: real({ default: 2, min: 0, help: 'Weight of the votes of the kept pictures.' }),
    beta: positive({ default: 5, help: "How fast a kept picture's vote fades with distance." }),
    shots: integer({ default: 3, min: 1, help: 'Number of certain pictures that are kept for each class.' }),
    uncertain: integer({
      default: 2,
      min: 0,
      help: 'Number of uncertain pictures that are kept for each class.',
    }),
  },
  start({ classes }, { alpha, beta, shots, uncertain }) {
    const positive = createCache(classes, shots);
    const negative = createCache(classes, uncertain);
    return {
      get size() {
        return positive.size + negative.size;
      },
      next({ feature, logits }) {
        const probabilities = softmax(logits);
        const entropy = entropyOf(probabilities);
        const kept = { feature, probabilities, entropy };
        const own = argmax(logits);
        positive.add(own, kept);
        const share = entropy / Math.log2(classes);
        if (share > UNCERTAIN.above && share < UNCERTAIN.below) negative.add(own, kept);
        const scores = Float64Array.from(logits);
        positive.each((label, picture) => {
          scores[label]! += alpha * affinity(feature, picture.feature, beta);
        });
        negative.each((_, picture) => {
          const vote = NEGATIVE.alpha * affinity(feature, picture.feature, NEGATIVE.beta);
          picture.probabilities.forEach((p, c) => {
            if (p > POSSIBLE && p < 1) scores[c]! -= vote;
          });
        });
        return Float32Array.from(softmax(scores));
      },
    };
  },
});

interface Kept {
  readonly feature: Float32Array;
  readonly probabilities: Float64Array;
  readonly entropy: number;
}

/** For each class, the pictures with the least entropy, as many as there is room for. */
function createCache(classes: number, room: number) {
  const kept = Array.from({ length: classes }, (): Kept[] => []);
  return {
    get size() {
      return kept.reduce((total, own) => total + own.length, 0);
    },
    add(label: number, picture: Kept): void {
      const own = kept[label]!;
      own.push(picture);
      // Sorting is stable: of equal entropies the first picture stays.
      own.sort((a, b) => a.entropy - b.entropy);
      if (own.length > room) own.pop();
    },
    each(visit: (label: number, picture: Kept) => void): void {
      kept.forEach((own, label) => {
        for (const picture of own) visit(label, picture);
      });
    },
  };
}

const affinity = (a: Float32Array, b: Float32Array, beta: number): number =>
  Math.exp(-beta * (1 - dot(a, b)));

/** Entropy in nats. */
export function entropyOf(probabilities: Float64Array): number {
  return probabilities.reduce((total, p) => (p > 0 ? total - p * Math.log(p) : total), 0);
}
