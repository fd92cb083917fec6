import { expect, it } from 'vitest';
import { referenceUpdate } from './optimiser.ts';

it('Adam adds the weight decay to the gradient; AdamW shrinks the parameters by it', () => {
  const stepped = (kind: 'adam' | 'adamw') => {
    const p = Float32Array.of(1);
    const moments = [new Float32Array(1), new Float32Array(1)];
    referenceUpdate({ kind, weightDecay: 0.5 }, p, Float32Array.of(-0.25), moments, 1, 0.1);
    return p[0];
  };
  // The first step has the length of the rate, against the sign of the gradient: of -0.25 + 0.5, and of -0.25.
  expect(stepped('adam')).toBeCloseTo(1 - 0.1, 5);
  expect(stepped('adamw')).toBeCloseTo(1 - 0.1 * 0.5 + 0.1, 5);
});
