import { expect, it } from 'vitest';
import { workspace, writePictures } from '../classifier/fake-encoder.fixture.ts';
import { type Classifier, fit, type SupportExample } from '../classifier/index.ts';
import { writeSmallEncoder } from '../encoder/small-encoder.fixture.ts';
import { createEngine } from '../engine/node.ts';
import { constant, input } from '../graph/expression.ts';
import { toOnnx } from '../graph/onnx.ts';
import { gemm, matmul } from '../graph/products.ts';
import { gather } from '../graph/sequence.ts';
import { conv2d } from '../graph/vision.ts';
import { random } from '../math/random.ts';
import { floatTensor, sizeOf, type Tensor } from '../math/tensor.ts';
import { exportOnnx, lossInWords, type QuantisationLoss } from './index.ts';
import { encodeModel, parseModel } from './onnx-model.ts';
import { quantised } from './quantise.ts';

const at = workspace();
const { normal } = random('quantise');
const noise = (...shape: number[]) =>
  floatTensor(shape, Float32Array.from({ length: sizeOf(shape) }, normal));

/** All kinds of weights that are quantised, with channels of different size. */
function everything() {
  const weight = (...shape: number[]) => {
    const { data } = noise(...shape);
    const scaled = (data as Float32Array).map((x, i) => x * (1 + (i % 5)));
    return constant(floatTensor(shape, scaled));
  };
  const x = input('x', ['n', 40]);
  return {
    plain: matmul(x, weight(40, 60)),
    turned: gemm(x, weight(60, 40), { transposeB: true, bias: weight(60) }),
    convolved: conv2d(input('picture', ['n', 8, 6, 6]), weight(16, 8, 3, 3)),
    looked: gather(weight(100, 32), input('ids', ['n', 'l'], 'int64')),
  };
}

it('computes products, convolutions and tables within the size of a unit, each row by itself', async () => {
  const engine = createEngine({ threads: 1 });
  const bytes = toOnnx(everything());
  const { model, weights } = quantised(parseModel(bytes));
  expect(weights).toBe(4);
  const small = encodeModel(model, {});
  expect(small.length).toBeLessThan(0.5 * bytes.length);
  const types = model.graph.nodes.map(({ type }) => type);
  expect(types.filter((type) => type === 'MatMulInteger')).toHaveLength(2);
  expect(types.filter((type) => type === 'ReduceMax')).toHaveLength(1);
  const [whole, rounded] = [await engine.load(bytes), await engine.load(small)];
  const x = noise(3, 40);
  // A row of zeros, and rows of very different sizes.
  (x.data as Float32Array).fill(0, 0, 40);
  for (let k = 40; k < 80; k++) x.data[k] = 1e4 * Number(x.data[k]);
  const ids = { dtype: 'int64', shape: [3, 2], data: BigInt64Array.of(0n, 5n, 99n, 5n, 7n, 8n) } as const;
  const feeds = { x, picture: noise(3, 8, 6, 6), ids };
  const [before, after] = [await whole.run(feeds), await rounded.run(feeds)];
  for (const name of Object.keys(before)) {
    const { shape, data } = before[name]!;
    const width = sizeOf(shape.slice(1));
    for (let row = 0; row < shape[0]!; row++) {
      const of = (tensor: Tensor) => [
        ...(tensor.data as Float32Array).subarray(row * width, (row + 1) * width),
      ];
      const [own, got] = [of(before[name]!), of(after[name]!)];
      const largest = Math.max(...own.map(Math.abs));
      const off = Math.max(...own.map((value, i) => Math.abs(value - got[i]!)));
      expect(off, `${name}, row ${row}`).toBeLessThanOrEqual(0.03 * largest);
    }
    expect(data.length).toBe(after[name]!.data.length);
  }
  const alone = await rounded.run({
    x: floatTensor([1, 40], (x.data as Float32Array).slice(80)),
    picture: noise(1, 8, 6, 6),
    ids: { dtype: 'int64', shape: [1, 2], data: BigInt64Array.of(7n, 8n) },
  });
  expect([...(alone.plain!.data as Float32Array)]).toEqual([
    ...(after.plain!.data as Float32Array).subarray(120),
  ]);
  await engine.close();
});

it('keeps a weight that something else reads, and does nothing to models without large weights', () => {
  const table = constant(noise(100, 32));
  const model = parseModel(
    toOnnx({ both: matmul(gather(table, input('ids', ['n'], 'int64')), table2()), table }),
  );
  const { graph } = quantised(model).model;
  expect(graph.initializers.some(({ bytes }) => bytes.length > 100 * 32 * 4)).toBe(true);
  const tiny = parseModel(toOnnx({ y: matmul(input('x', ['n', 4]), constant(noise(4, 4))) }));
  expect(quantised(tiny).weights).toBe(0);
});

const table2 = () => constant(noise(32, 40));

it('exports a classifier with the measured loss, on thumbnails or given pictures', async () => {
  const encoder = await writeSmallEncoder(at('encoder'));
  const photos = await writePictures(at('photos'), { cat: 4, dog: 4, owl: 4 });
  const test = await writePictures(at('test'), { cat: [7, 8], dog: [9], owl: [10] });
  const classifier = await fit(photos, { encoder, method: 'tip-adapter', tune: 'fixed' });
  const whole = await exportOnnx(classifier);
  const own = await exportOnnx(classifier, { quantise: true });
  expect(own.bytes.length).toBeLessThan(whole.bytes.length);
  expect(own.quantised!.loss).toMatchObject({ pictures: 12, from: 'thumbnails' });
  const { loss } = (await exportOnnx(classifier, { quantise: true, data: test })).quantised!;
  expect(loss).toMatchObject({ pictures: 4, from: 'data' });
  expect(loss.cosine).toBeGreaterThan(0.999);
  expect(loss.cosine).toBeLessThan(1);
  expect(loss.accuracy!.before).toBeGreaterThan(0.5);
  expect(loss.bytes.after).toBeLessThan(loss.bytes.before);
  const { accuracy } = await classifier.evaluate(test);
  expect(loss.accuracy!.before).toBe(accuracy);
  expect(new TextDecoder('latin1').decode(own.bytes)).toContain('"from":"thumbnails"');
  await expect(exportOnnx(classifier, { quantise: true, input: 'features' })).rejects.toMatchObject({
    code: 'option/no-effect',
  });
  await expect(exportOnnx(classifier, { data: test })).rejects.toMatchObject({ code: 'option/no-effect' });
  const withExamples = (examples: readonly SupportExample[]): Classifier =>
    Object.create(classifier, {
      data: { value: { ...classifier.data, examples } },
      probabilities: { value: classifier.probabilities.bind(classifier) },
    });
  const bare = withExamples(classifier.data.examples.map(({ thumbnail: _, ...rest }) => rest));
  await expect(exportOnnx(bare, { quantise: true })).rejects.toMatchObject({ code: 'export/unmeasured' });
  let read = 0;
  const many = Array.from({ length: 500 }, (_, i): SupportExample => {
    const { id, sha256, thumbnail } = classifier.data.examples[i % 12]!;
    const counted = () => {
      read++;
      return i === 0 ? undefined : thumbnail;
    };
    return Object.defineProperty({ id, sha256 }, 'thumbnail', { get: counted });
  });
  const { loss: spread } = (await exportOnnx(withExamples(many), { quantise: true })).quantised!;
  expect([spread.pictures, read]).toEqual([200, 201]);
  await classifier.close();
});

it('says how large a loss is', () => {
  const loss: QuantisationLoss = {
    pictures: 200,
    from: 'thumbnails',
    cosine: 0.99812,
    leastCosine: 0.9912,
    same: 199,
    probability: 0.0312,
    bytes: { before: 93_934_588, after: 23_688_323 },
  };
  expect(lossInWords(loss)).toEqual({
    line: '8-bit weights: image tower of 23.7 MB instead of 93.9; on 200 thumbnails of the examples: cosine 0.9981 (least 0.9912), 199 of 200 answers the same, largest change of a probability 0.031',
  });
  expect(lossInWords({ ...loss, same: 150 }).warning).toBe('The loss is large: 50 answers of 200 changed.');
  const judged = lossInWords({ ...loss, from: 'data', accuracy: { before: 0.9, after: 0.88 } });
  expect(judged.line).toContain('on 200 pictures: ');
  expect(judged.warning).toBe('The loss is large: 1 answer of 200 changed, accuracy 88.0% instead of 90.0%.');
});
