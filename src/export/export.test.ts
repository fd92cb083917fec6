import { spawnSync } from 'node:child_process';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import sharp from 'sharp';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { npy, npyLabels, rowsOf } from '../bench/dump.fixture.ts';
import { taskOf } from '../classifier/classifier-task.ts';
import { fakeEncoder, workspace, writePictures } from '../classifier/fake-encoder.fixture.ts';
import { classifierBytes } from '../classifier/file-bytes.ts';
import { type Classifier, fit, load } from '../classifier/index.ts';
import { locateEncoder } from '../encoder/load.ts';
import { writeSmallEncoder } from '../encoder/small-encoder.fixture.ts';
import { fieldsOf, textOf } from '../graph/wire.ts';
import { decode } from '../image/decode.ts';
import { cropView, normalize } from '../image/preprocess.ts';
import type { Preprocessing } from '../image/types.ts';
import { type Matrix, matrix } from '../math/matrix.ts';
import { random } from '../math/random.ts';
import { listMethods, methodById } from '../methods/index.ts';
import { plainRows } from '../methods/task.ts';
import { resolveOptions } from '../options.ts';
import { exportOnnx, modelCard } from './index.ts';
import { joinModels } from './join.ts';
import { localTower } from './local-tower.ts';
import { encodeModel, parseModel } from './onnx-model.ts';

const at = workspace();
let photos: string;
let encoder: string;
let classifier: Classifier;

/** Noisy pictures of three colours, of several shapes. */
async function writePhotos(folder: string, seed = 1): Promise<string> {
  const own = random('photos', seed);
  for (const [name, colour] of Object.entries({
    red: [200, 40, 40],
    green: [40, 180, 60],
    blue: [50, 60, 210],
  })) {
    mkdirSync(join(folder, name), { recursive: true });
    for (let i = 0; i < 4; i++) {
      const [width, height] = [40 + 9 * i, 60 - 7 * i];
      const data = Uint8Array.from(
        { length: width * height * 3 },
        (_, k) => colour[k % 3]! + own.integer(40) - 20,
      );
      await sharp(data, { raw: { width, height, channels: 3 } })
        .png()
        .toFile(join(folder, name, `${i}.png`));
    }
  }
  return folder;
}

beforeAll(async () => {
  encoder = await writeSmallEncoder(at('encoder'));
  photos = await writePhotos(at('photos'));
  classifier = await fit(photos, { encoder, method: 'tip-adapter' });
});
afterAll(() => classifier.close());

const IMAGES = ['red/0.png', 'green/1.png', 'blue/3.png'];

/** Crops as the encoder gets them, and the classifier's answers for the pictures. */
async function cropsAndAnswers(): Promise<{ pixels: Uint8Array; spec: Preprocessing; expected: number[] }> {
  const spec = classifier.data.encoder.preprocessing as Preprocessing;
  const paths = IMAGES.map((name) => join(photos, name));
  const crops = await Promise.all(
    paths.map(async (path) => cropView(await decode(readFileSync(path)), spec, 0, 0, '').data),
  );
  const { predictions } = await classifier.predict(paths);
  const expected = predictions.flatMap(({ ranking }) =>
    classifier.data.classes.map(({ id }) => ranking.find((one) => one.id === id)!.probability),
  );
  return { pixels: Uint8Array.from(crops.flatMap((crop) => [...crop])), spec, expected };
}

function expectSame(got: ArrayLike<number>, expected: readonly number[], tolerance = 1e-5) {
  expect(got.length).toBe(expected.length);
  for (let i = 0; i < got.length; i++)
    expect(Math.abs(got[i]! - expected[i]!)).toBeLessThanOrEqual(tolerance);
}

describe.each(['node', 'web'] as const)('an exported model in onnxruntime-%s', (runtime) => {
  const open = async (bytes: Uint8Array) => {
    const ort = runtime === 'node' ? await import('onnxruntime-node') : await import('onnxruntime-web');
    return { ort, session: await ort.InferenceSession.create(bytes) };
  };

  it("gives the classifier's answers for pictures", async () => {
    const { pixels, spec, expected } = await cropsAndAnswers();
    const side = spec.crop;
    const { bytes, inputs, outputs } = await exportOnnx(classifier);
    expect(inputs).toEqual([{ name: 'pixels', dtype: 'uint8', shape: ['n', side, side, 3] }]);
    expect(outputs.map(({ name }) => name)).toEqual(['probabilities', 'scores']);
    const { ort, session } = await open(bytes);
    const fed = new ort.Tensor('uint8', pixels, [IMAGES.length, side, side, 3]);
    const { probabilities } = await session.run({ pixels: fed } as never);
    expectSame(probabilities!.data as Float32Array, expected);
    await session.release();
  });

  it('takes normalised pictures', async () => {
    const { pixels, spec, expected } = await cropsAndAnswers();
    const side = spec.crop;
    const area = side * side * 3;
    const crops = IMAGES.map((_, i) => ({
      width: side,
      height: side,
      data: pixels.subarray(i * area, (i + 1) * area),
    }));
    const { ort, session } = await open((await exportOnnx(classifier, { input: 'pixel_values' })).bytes);
    const fed = new ort.Tensor('float32', normalize(crops, spec), [IMAGES.length, 3, side, side]);
    const { probabilities } = await session.run({ pixel_values: fed } as never);
    expectSame(probabilities!.data as Float32Array, expected);
    await session.release();
  });
});

describe("an encoder's operator set", () => {
  /** The encoder with another declaration of its operator set. */
  async function declaring(domain: string): Promise<string> {
    const folder = await writeSmallEncoder(at(`encoder of ${domain}`));
    const path = join(folder, 'vision_model.onnx');
    const { graph, ...model } = parseModel(readFileSync(path));
    const nodes = graph.nodes.map((node) => ({ ...node, domain }));
    writeFileSync(
      path,
      encodeModel({ ...model, opsets: new Map([[domain, 17]]), graph: { ...graph, nodes } }, {}),
    );
    return folder;
  }

  it('may have either name of the standard one', async () => {
    const alike = await fit(photos, { encoder: await declaring('ai.onnx'), method: 'tip-adapter' });
    const { bytes, opset, difference } = await exportOnnx(alike);
    expect(opset).toBe(17);
    expect(difference).toBeLessThan(1e-5);
    const { opsets, graph } = parseModel(bytes);
    expect([...opsets]).toEqual([['', 17]]);
    expect(new Set(graph.nodes.map(({ domain }) => domain))).toEqual(new Set(['']));
    await alike.close();
  });

  it.each([
    [[['', 12]], 'uses operator set 12; at least 13'],
    [[['com.microsoft', 1]], 'uses no standard operator set'],
  ] as [[string, number][], string][])('is refused: %j', async (opsets, message) => {
    const tower = await localTower(await locateEncoder(encoder));
    const old = { ...tower, model: { ...tower.model, opsets: new Map(opsets) } };
    const spec = classifier.data.encoder.preprocessing as Preprocessing;
    expect(() => joinModels(old, tower.model, spec, 'pixels')).toThrow(
      expect.objectContaining({ code: 'export/opset', message: expect.stringContaining(message) }),
    );
  });
});

describe('an exported classifier of features', () => {
  const plain = fakeEncoder();
  // The last four numbers of a row stand for the features before the projection.
  const weight = matrix(
    4,
    plain.dimension - 4,
    Float32Array.from({ length: 4 * (plain.dimension - 4) }, (_, i) => Math.sin(i)),
  );
  const own = { ...plain, projection: async () => ({ weight, bias: 0 as const }) };
  // Missing are methods that need an encoder whose text tower takes learnt words (clip.test.ts), and the stack, which is made of the others.
  const alone = listMethods().filter(({ needs }) => !needs.includes('text-tower'));

  it.each(alone.map(({ id }) => id))('is the same for %s', async (method) => {
    const small = await fit(await writePictures(at('small'), { cat: 3, dog: 3, owl: 2 }), {
      encoder: own,
      method,
      ...(method === 'proker-random-features' && { options: { frequencies: 32 } }),
      template: ['a {}', 'the {}'],
      tune: 'fixed',
    });
    const { bytes, difference } = await exportOnnx(small, { input: 'features' });
    expect(difference).toBeLessThan(1e-5);
    const ort = await import('onnxruntime-node');
    const session = await ort.InferenceSession.create(bytes);
    const features = plainRows(small.data.support);
    const { probabilities } = await session.run({
      features: new ort.Tensor('float32', features.data, [features.rows, features.cols]),
    });
    expectSame(probabilities!.data as Float32Array, [...(await small.probabilities(features)).data]);
    await session.release();
    await small.close();
  });

  it('is compared on random features if there are neither examples nor prompts', async () => {
    const labels = Array.from({ length: 60 }, (_, i) => i % 3);
    mkdirSync(at('sums'));
    writeFileSync(at('sums/info.json'), JSON.stringify({ classes: ['cat', 'dog', 'eel'] }));
    writeFileSync(at('sums/train.npy'), npy(rowsOf(labels, 'sums')));
    writeFileSync(at('sums/train.labels.npy'), npyLabels(labels));
    const summarised = await fit(at('sums'), { summary: true, method: 'prototype', tune: 'fixed' });
    expect([summarised.data.head, summarised.data.support.features.rows]).toEqual([undefined, 0]);
    expect((await exportOnnx(summarised, { input: 'features' })).difference).toBeLessThan(1e-5);
    const probabilities = async ({ rows }: Matrix) => matrix(rows, 3);
    const differing = Object.create(summarised, { probabilities: { value: probabilities } });
    await expect(exportOnnx(differing, { input: 'features' })).rejects.toMatchObject({
      code: 'export/differs',
    });
    await summarised.close();
  });

  it('is the same for a stack', async () => {
    const one = await fit(await writePictures(at('one'), { cat: 3, dog: 3 }), {
      encoder: own,
      tune: 'fixed',
    });
    const stack = methodById('stack');
    const options = resolveOptions(stack.options, {
      parts: {
        anchored: { options: { strength: 0.3 }, sharpness: 0.5, share: 0.7 },
        'tip-adapter': { options: { alpha: 1, beta: 5.5 }, sharpness: 0.2, share: 0.3 },
      },
    });
    const state = await stack.fit(taskOf(one.data), options);
    writeFileSync(at('stack.safetensors'), classifierBytes({ ...one.data, method: 'stack', options, state }));
    const stacked = await load(at('stack.safetensors'), { encoder: own });
    const { difference } = await exportOnnx(stacked, { input: 'features' });
    expect(difference).toBeLessThan(1e-5);
    expect(modelCard(stacked.data)).toContain('anchored 70.0%, tip-adapter 30.0%');
    await stacked.close();
    await one.close();
  });

  it('has its labels, preprocessing and encoder in its metadata', async () => {
    const { bytes } = await exportOnnx(classifier, { input: 'features' });
    const text = new TextDecoder('latin1').decode(bytes);
    for (const part of [
      'labels',
      '["blue","green","red"]',
      'preprocessing',
      '"crop":32',
      'tip-adapter-onnx/1',
      '{"0":"blue","1":"green","2":"red"}',
      '{0: "blue", 1: "green", 2: "red"}',
    ])
      expect(text).toContain(part);
  });

  it('has names for its nodes and for the tensors of the classifier', async () => {
    const { bytes } = await exportOnnx(classifier);
    const message = (parent: Uint8Array, wanted: number) =>
      fieldsOf(parent).flatMap((field) => (field.number === wanted ? [field] : []));
    const [graph] = message(bytes, 7);
    const names = message(graph!.content, 1).map(({ content }) => message(content, 3).map(textOf).join());
    expect(new Set(names).size).toBe(names.length);
    expect(names).toContainEqual(expect.stringMatching(/^classifier\/Gemm_\d+$/));
    const tensors = parseModel(bytes).graph.initializers.map(({ name }) => name);
    expect(tensors).toEqual(expect.arrayContaining(['classifier/state.keys', 'classifier/head.weights']));
  });

  it('with pictures, is refused if the encoder is unknown or has changed', async () => {
    const { encoder: known } = classifier.data;
    const { preprocessing: _, ...unknown } = known;
    const without = Object.create(classifier, { data: { value: { ...classifier.data, encoder: unknown } } });
    await expect(exportOnnx(without)).rejects.toMatchObject({ code: 'export/features' });
    const other = { ...known, fingerprint: 'f'.repeat(64) };
    const changed = Object.create(classifier, { data: { value: { ...classifier.data, encoder: other } } });
    await expect(exportOnnx(changed)).rejects.toMatchObject({ code: 'classifier/other-encoder' });
  });
});

describe('a model card', () => {
  it('gives the known facts, and says that nothing was tuned', () => {
    const card = modelCard(classifier.data);
    for (const part of [
      'classifier of 3 classes',
      '12 examples, 4 of each class',
      'Tip-Adapter (Zhang',
      '| red | 4 |',
    ])
      expect(card).toContain(part);
    expect(card).toContain('It was not measured on pictures that it has not seen');
    expect(card).toContain('Nothing was tuned');
    const fromExamples = { ...classifier.data.tuning, fromExamples: ['beta', 'lambda'] };
    expect(modelCard({ ...classifier.data, tuning: fromExamples })).toContain(
      'Nothing was tuned: beta and lambda follow from the examples',
    );
    const compared = [{ method: 'gda', nll: 0.5, accuracy: 0.75 }];
    const tuning = { ...classifier.data.tuning, protocol: 'folds', judges: 12, folds: 4, compared } as const;
    const chosen = modelCard({ ...classifier.data, tuning });
    expect(chosen).toContain('Accuracy and NLL are of 12 rows in 4 folds');
    expect(chosen).toContain('| gda | 75.0% (46.8% to 91.1%) | 0.500 |');
    const summarised = modelCard({
      ...classifier.data,
      tuning: { ...classifier.data.tuning, protocol: 'left-out', temperature: 2, judges: 12, folds: 0 },
    });
    expect(summarised).toContain('Accuracy and NLL are of 12 rows. Probabilities');
    expect(summarised).toContain('temperature of 2, found on 12 left-out rows');
  });

  it('gives an evaluation with intervals, and names as plain text', async () => {
    const name = '<b>|*red*\u001b[2J';
    const odd = join(at('odd'), 'folder');
    mkdirSync(odd, { recursive: true });
    writeFileSync(join(odd, '9.png'), readFileSync(join(photos, 'red/3.png')));
    const named = await classifier.add([{ image: join(odd, '9.png'), label: name }]);
    const test = await writePhotos(at('test'), 2);
    const evaluation = await named.evaluate(test);
    const card = modelCard(named.data, evaluation);
    const { correct, total } = evaluation;
    expect(card).toContain(`(${correct} of ${total}; 95% interval `);
    expect(card).toContain('| \\<b\\>\\|\\*red\\*\\\\u001b\\[2J | 1 |');
    for (const raw of ['<b>', '\u001b']) expect(card).not.toContain(raw);
  });
});

const python = spawnSync('python3', ['-c', 'import onnxruntime, numpy, PIL']).status === 0;
const guide = readFileSync(join(import.meta.dirname, '../../docs/export.md'), 'utf8');
const example = /```python\n([\s\S]*?)```/.exec(guide)?.[1] ?? '';

describe('the Python example', () => {
  it('has at most 15 lines', () => {
    expect(example).toContain('onnxruntime');
    expect(example.trim().split('\n').length).toBeLessThanOrEqual(15);
  });

  it.skipIf(!python)(
    `gives the classifier's answers${python ? '' : ' (skipped: python3 has no onnxruntime, numpy and Pillow)'}`,
    async () => {
      writeFileSync(at('pets.onnx'), (await exportOnnx(classifier)).bytes);
      const { predictions } = await classifier.predict([join(photos, 'red/0.png')]);
      writeFileSync(at('new.jpg'), readFileSync(join(photos, 'red/0.png')));
      const { stdout, stderr } = spawnSync('python3', ['-c', example], { cwd: at('.'), encoding: 'utf8' });
      expect(stderr).toBe('');
      const [name, p] = stdout.trim().split(' ');
      expect(name).toBe(predictions[0]!.name);
      expect(Number(p)).toBeCloseTo(predictions[0]!.probability, 3);
    },
  );
});
