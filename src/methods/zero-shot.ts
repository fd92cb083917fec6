import { mul } from '../graph/elementwise.ts';
import type { Expr } from '../graph/expression.ts';
import { matmulT, unit } from '../graph/products.ts';
import { defineMethod, type SymbolicHead } from './method.ts';

/** Zero-shot logits: s f W^T, [m, c] (Radford et al., ICML 2021, arXiv 2103.00020, section 3.1). */
export function zeroShotLogits(f: Expr, { weights, logitScale }: SymbolicHead): Expr {
  return mul(matmulT(unit(f), weights), logitScale);
}

/** Zero-shot CLIP: a picture is compared with the prompts of each class. Examples are not used. */
export const zeroShot = defineMethod({
  id: 'zero-shot',
  name: 'Zero-shot',
  paper: 'Radford et al., ICML 2021, arXiv 2103.00020',
  needs: ['text'],
  ignores: ['views'],
  rotates: true,
  baseline: 2,
  benchmarked: true,
  options: {},
  fit: () => ({}),
  holds: () => ({}),
  prepare: (state) => state,
  terms: (f, _, task) => ({ text: zeroShotLogits(f, task.head) }),
});
