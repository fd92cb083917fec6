import { expect, it } from 'vitest';
import { createEngine } from '../../engine/node.ts';
import { interpret } from '../../graph/interpret.ts';
import { matrix, unitRows } from '../../math/matrix.ts';
import { random } from '../../math/random.ts';
import { floatTensor } from '../../math/tensor.ts';
import { fitTextMap, mapTexts, RIDGE } from './text-map.ts';

it('maps a class name to its centred vector but for the ridge, with more names than one block of the solver', async () => {
  const [n, e, d] = [300, 40, 7];
  const { normal } = random('text map', 1);
  const anchors = unitRows(matrix(n, e, Float32Array.from({ length: n * e }, normal)));
  const vectors = matrix(
    n,
    d,
    Float32Array.from({ length: n * d }, () => 3 + normal()),
  );
  const engine = createEngine();
  const map = await fitTextMap(anchors, vectors, engine).finally(() => engine.close());
  const { rows } = interpret({ rows: mapTexts(map) }, { sentences: floatTensor([n, e], anchors.data) });
  // (K + ridge I) A = V - mean V, so K A is V - mean V less ridge A.
  for (let j = 0; j < d; j++) {
    let mean = 0;
    for (let i = 0; i < n; i++) mean += vectors.data[i * d + j]! / n;
    for (let i = 0; i < n; i++) {
      const at = i * d + j;
      const expected = vectors.data[at]! - mean - RIDGE * map.coefficients.data[at]!;
      expect(Math.abs(rows.data[at]! - expected)).toBeLessThan(1e-4);
    }
  }
});
