import { mul } from '../graph/elementwise.ts';
import { matmulT, unit } from '../graph/products.ts';
import { matrix, row, unitRows } from '../math/matrix.ts';
import { floatTensor, type Tensor } from '../math/tensor.ts';
import { positive } from '../options.ts';
import { defineMethod, SCALE, type State } from './method.ts';
import { addTotals, totalsShape } from './moments.ts';
import { keysOf } from './task.ts';

/** Nearest class mean: cosine with the unit mean of each class's keys (Snell et al., NeurIPS 2017, arXiv 1703.05175). */
export const prototype = defineMethod({
  id: 'prototype',
  name: 'Nearest class mean',
  paper: 'Snell et al., NeurIPS 2017, arXiv 1703.05175',
  needs: ['examples'],
  rotates: true,
  auto: { order: 4, closedForm: true },
  benchmarked: true,
  ignores: ['prompts'],
  options: { scale: positive({ default: 100, help: 'Multiplier of the cosine.' }) },
  fit: (_, { scale }): State & { readonly scale: number; readonly means?: Tensor } => ({ scale }),
  summary: {
    shapes: totalsShape,
    add: (sums, samples, { adder }) => addTotals(sums, samples, adder),
    fit: async ({ sums: { totals } }, { classes, dimension }, { scale }) => {
      const means = unitRows(matrix(classes, dimension, Float32Array.from(totals!.data)));
      return { scale, means: floatTensor([classes, dimension], means.data) };
    },
  },
  // Without examples, the means are part of what is learnt.
  holds: ({ classes, dimension, support }) => ({
    scale: SCALE,
    ...(support.labels.length === 0 && { means: { shape: [classes, dimension], unit: true } }),
  }),
  prepare: ({ means, ...state }, { support, classes }) => {
    if (means) return { ...state, means };
    const keys = keysOf(support);
    const sums = matrix(classes, keys.cols);
    support.labels.forEach((label, i) => {
      const target = row(sums, label);
      row(keys, i).forEach((x, j) => {
        target[j]! += x;
      });
    });
    return { ...state, means: floatTensor([classes, keys.cols], unitRows(sums).data) };
  },
  terms: (f, { means, scale }) => ({ method: mul(matmulT(unit(f), means), scale) }),
});
