import { spawnSync } from 'node:child_process';
import { chmod, mkdir, readdir, readFile, writeFile } from 'node:fs/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { DataError, ModelError } from '../errors.ts';
import { fromHalf } from '../math/half.ts';
import type { Tensor, TensorData } from '../math/tensor.ts';
import { isInFile } from '../methods/file-rows.ts';
import { methodById } from '../methods/index.ts';
import { scoreRows } from '../methods/score.ts';
import { plainRows } from '../methods/task.ts';
import { PAGES } from '../store/content-hash.ts';
import { encodeSafetensors, parseSafetensors } from '../store/safetensors.ts';
import { openSafetensors } from '../store/safetensors-file.ts';
import { type Classifier, load } from './classifier.ts';
import { taskOf } from './classifier-task.ts';
import { decodeClassifier } from './decode.ts';
import { fakeEncoder, workspace, writePictures } from './fake-encoder.fixture.ts';
import { readClassifier } from './file.ts';
import { classifierBytes } from './file-bytes.ts';
import { fit } from './fit.ts';
import { type Json, sealed as resealed } from './sealed.fixture.ts';

const at = workspace();
const encoder = fakeEncoder();
let classifier: Classifier;
let bytes: Uint8Array;

beforeAll(async () => {
  classifier = await fit(await writePictures(at('photos'), { cat: 2, dog: 3 }), {
    encoder,
    shots: 3,
    method: 'tip-adapter',
  });
  bytes = classifierBytes(classifier.data);
});
afterAll(() => classifier.close());

/** The error of reading, or `undefined` if the bytes are accepted. */
function refusal(file: Uint8Array): Promise<unknown> {
  return decodeClassifier(file, 'pets.safetensors').then(
    () => undefined,
    (error) => error,
  );
}

async function expectRefused(file: Uint8Array, why: string) {
  const error = (await refusal(file)) as ModelError;
  expect(error, why).toBeInstanceOf(ModelError);
  expect(error.exitCode, why).toBe(4);
  expect(error.message, why).toContain('pets.safetensors');
  expect(error.hint, why).toBeTruthy();
}

/** The file with changed contents and a matching checksum. */
const sealed = (change: (about: Json, tensors: Record<string, Tensor>) => void) => resealed(bytes, change);

/** The path of every place in a JSON value. */
function places(value: unknown, path: (string | number)[] = []): (string | number)[][] {
  if (typeof value !== 'object' || value === null) return [path];
  const children = Array.isArray(value) ? [...value.keys()] : Object.keys(value);
  const below = children.flatMap((key) => places((value as Json)[key], [...path, key]));
  return path.length > 0 ? [path, ...below] : below;
}

function changeAt(
  value: Json,
  path: (string | number)[],
  change: (holder: Json, key: string | number) => void,
) {
  const holder = path.slice(0, -1).reduce((inner, key) => inner[key] as Json, value);
  change(holder, path.at(-1)!);
}

const wrong: [string, (holder: Json, key: string | number) => void][] = [
  ['removed', (holder, key) => delete holder[key]],
  ...[null, -1, 0, 1.5, 1000, '', 'x', true, [], {}, [[]]].map(
    (value): [string, (holder: Json, key: string | number) => void] => [
      JSON.stringify(value),
      (holder, key) => {
        holder[key] = value;
      },
    ],
  ),
];

describe('a classifier file', () => {
  it('returns the saved content; equal content gives equal bytes', async () => {
    const data = await decodeClassifier(bytes);
    expect(data).toEqual(classifier.data);
    expect(Buffer.compare(classifierBytes(classifier.data), bytes)).toBe(0);
  });

  it('is refused if it is cut at any length', async () => {
    for (let length = 0; length < bytes.length; length += length < 3000 ? 13 : 211)
      await expectRefused(bytes.subarray(0, length), `cut to ${length}`);
    await expectRefused(Buffer.concat([bytes, Buffer.of(0)]), 'one byte too many');
  });

  it('is refused if any byte is changed', async () => {
    for (let i = 0; i < bytes.length; i += i < 4000 ? 5 : 101) {
      const altered = bytes.slice();
      altered[i]! ^= 1 << (i % 8);
      // Changes of a space to `\t`, or in the letters of an unused key, may not change the header's meaning.
      const error = await refusal(altered);
      if (error === undefined) expect(await decodeClassifier(altered), `byte ${i}`).toEqual(classifier.data);
      else expect(error, `byte ${i}`).toBeInstanceOf(ModelError);
    }
  });

  it('is refused if a field of the header is changed', async () => {
    const length = Number(new DataView(bytes.buffer, bytes.byteOffset).getBigUint64(0, true));
    const header = JSON.parse(Buffer.from(bytes.subarray(8, 8 + length)).toString());
    for (const path of places(header)) {
      for (const [what, change] of wrong) {
        const altered = structuredClone(header);
        changeAt(altered, path, change);
        if (JSON.stringify(altered) === JSON.stringify(header)) continue;
        const text = Buffer.from(JSON.stringify(altered));
        const size = Buffer.alloc(8);
        size.writeBigUInt64LE(BigInt(text.length));
        await expectRefused(
          Buffer.concat([size, text, bytes.subarray(8 + length)]),
          `${path.join('.')} ${what}`,
        );
      }
    }
  });

  it('neither crashes nor answers with NaN for any value of a field under a matching checksum', async () => {
    const queries = plainRows(classifier.data.support);
    const { classifier: text } = parseSafetensors(bytes).metadata;
    let accepted = 0;
    for (const path of places(JSON.parse(text!))) {
      if (path[0] === 'tuning' && path[1] === 'surface' && path.length > 2 && path[2] !== 0) continue;
      for (const [what, change] of wrong) {
        const file = sealed((about) => changeAt(about, path, change));
        const error = await refusal(file);
        if (error !== undefined) expect(error, `${path.join('.')} ${what}`).toBeInstanceOf(ModelError);
        // Descriptive texts and some numbers may have any value.
        else if (
          !['created', 'createdBy', 'dataset', 'templates', 'prompts', 'examples'].includes(String(path[0]))
        ) {
          accepted++;
          const data = await decodeClassifier(file);
          const scores = scoreRows(methodById(data.method), data.state, taskOf(data), queries);
          expect(scores.data.every(Number.isFinite), `${path.join('.')} ${what}`).toBe(true);
        }
      }
    }
    expect(accepted).toBeGreaterThan(10);
  });

  it('is refused if a tensor is missing, of another type or shape, or out of range, under a matching checksum', async () => {
    const names = [...parseSafetensors(bytes).tensors.keys()].filter((name) => name !== PAGES);
    expect(names).toHaveLength(12);
    const replaced = (name: string, change: (tensor: Tensor) => Tensor) =>
      sealed((_, tensors) => {
        tensors[name] = change(tensors[name]!);
      });
    const withNumber = (index: number, value: number) => (tensor: Tensor) => {
      const data = tensor.data.slice() as Int32Array;
      data[index] = value;
      return { ...tensor, data: data as TensorData };
    };
    for (const name of names) {
      const without = sealed((_, tensors) => delete tensors[name]);
      await expectRefused(without, `${name} removed`);
      await expectRefused(
        replaced(name, ({ shape, data }) => ({
          dtype: 'float64',
          shape,
          data: Float64Array.from(data as Int32Array),
        })),
        `${name} F64`,
      );
      await expectRefused(
        replaced(name, (tensor) => ({ ...tensor, shape: [1, ...tensor.shape] })),
        `${name} of higher rank`,
      );
      if (name === 'thumbnails') continue;
      await expectRefused(
        replaced(name, ({ dtype, shape, data }) => ({
          dtype,
          shape: [shape[0]! - 1, ...shape.slice(1)],
          data: data.slice(0, (data.length / shape[0]!) * (shape[0]! - 1)) as TensorData,
        })),
        `${name} shortened`,
      );
    }
    // Thumbnails may be missing, together with their offsets.
    const bare = sealed((_, tensors) => {
      delete tensors.thumbnails;
      delete tensors['thumbnails.offsets'];
    });
    expect((await decodeClassifier(bare)).examples[0]!.thumbnail).toBeUndefined();
    const NAN = 0x7e00;
    const INFINITY = 0x7c00;
    for (const name of ['support.features', 'text.features']) {
      expect(fromHalf(Uint16Array.of(NAN, INFINITY))).toEqual(
        Float32Array.of(Number.NaN, Number.POSITIVE_INFINITY),
      );
      await expectRefused(replaced(name, withNumber(3, NAN)), `${name} NaN`);
      await expectRefused(replaced(name, withNumber(0, INFINITY)), `${name} infinite`);
    }
    for (const [name, above] of [
      ['support.labels', 2],
      ['support.example', 5],
      ['text.class', 2],
      ['thumbnails.offsets', 1e6],
    ] as const) {
      await expectRefused(replaced(name, withNumber(1, above)), `${name} too large`);
      await expectRefused(replaced(name, withNumber(1, -1)), `${name} negative`);
    }
    await expectRefused(replaced('support.groups', withNumber(0, -1)), 'negative group');
    await expectRefused(replaced('support.view', withNumber(0, -1)), 'negative view');
    await expectRefused(replaced('support.example', withNumber(0, 1)), 'an example without a row');
    await expectRefused(replaced('text.class', withNumber(1, 0)), 'a class without a prompt');
    await expectRefused(replaced('thumbnails.offsets', withNumber(2, 1)), 'offsets backwards');
  });

  it('is refused as too new for a newer method or format; other safetensors files are refused as another kind', async () => {
    const newer = await refusal(sealed((about) => Object.assign(about, { method: 'not-yet-invented' })));
    expect(newer).toMatchObject({
      code: 'classifier/method',
      exitCode: 4,
      hint: expect.stringContaining('Update tip-adapter'),
    });
    const { tensors, metadata } = parseSafetensors(bytes);
    const format = await refusal(encodeSafetensors(tensors, { ...metadata, format: 'tip-adapter/4' }));
    expect(format).toMatchObject({ code: 'classifier/format', exitCode: 4 });
    expect(await refusal(encodeSafetensors(tensors, {}))).toMatchObject({
      code: 'classifier/damaged',
      exitCode: 4,
    });
  });
});

describe('load', () => {
  it('names a missing file, and a file that is not a classifier', async () => {
    await expect(load(at('gone.safetensors'))).rejects.toMatchObject({
      code: 'classifier/missing',
      exitCode: 4,
    });
    await expect(load(at('photos'))).rejects.toMatchObject({ code: 'classifier/unreadable', exitCode: 4 });
    await writeFile(at('text.safetensors'), 'hello, this is no classifier');
    await expect(load(at('text.safetensors'))).rejects.toMatchObject({
      code: 'classifier/damaged',
      exitCode: 4,
    });
  });
});

describe('many examples', () => {
  const inFile = { encoder, largestInMemory: 0 };

  it.each(['half', 'int8'] as const)('stay in the file in %s, and give the same answers', async (keys) => {
    const photos = at(`many-${keys}`);
    await writePictures(photos, { cat: 5, dog: 7, owl: 2 });
    const fitted = await fit(photos, { encoder, method: 'tip-adapter', keys });
    const path = at(`many-${keys}.safetensors`);
    await fitted.save(path);
    const [near, far] = [await load(path, { encoder }), await load(path, inFile)];
    const image = `${photos}/cat/0.png`;
    const features = plainRows(fitted.data.support);
    const [a, b] = [await near.probabilities(features), await far.probabilities(features)];
    expect(Array.from(b.data)).toEqual(Array.from(a.data, (p) => expect.closeTo(p, 4)));
    expect(Array.from(a.data)).toEqual(
      Array.from((await fitted.probabilities(features)).data, (p) => expect.closeTo(p, 6)),
    );

    const [known, told] = [await near.explain(image), await far.explain(image)];
    expect(told.contributions.length).toBe(known.contributions.length);
    told.contributions.forEach(({ example, weight, similarity }, i) => {
      const same = known.contributions.find((other) => other.example === example)!;
      expect(weight! / same.weight!).toBeCloseTo(1, 3);
      expect(similarity).toBeCloseTo(same.similarity, 3);
      if (i > 0) expect(weight).toBeLessThanOrEqual(told.contributions[i - 1]!.weight!);
    });
    // Changing the examples reads all of them. The file is replaced by one with the same answers.
    const grown = await far.add([{ image: `${photos}/dog/0.png`, label: 'cat' }]);
    await grown.save(path);
    expect((await load(path, { encoder })).data.examples.length).toBe(15);
    for (const one of [fitted, near, far, grown]) await one.close();
  });

  it.each(['half', 'int8'] as const)('are verified when they are first read, in %s', async (keys) => {
    const path = at(`pages-${keys}.safetensors`);
    const photos = await writePictures(at(`pages-${keys}`), { cat: 3, dog: 2 });
    const fitted = await fit(photos, { encoder, method: 'tip-adapter', keys });
    await fitted.save(path);
    const whole = await readFile(path);
    const features = plainRows(fitted.data.support);
    const { examples } = fitted.data;
    await fitted.close();
    const damaged = expect.objectContaining({ code: 'classifier/damaged' });
    const { entries, position, close } = await openSafetensors(path);
    await close();
    /** The error of reading and then using a file in which one byte of a tensor was changed. */
    const altered = async (name: string, use: (classifier: Classifier) => unknown) => {
      const bytes = Buffer.from(whole);
      bytes[position(name) + 5]! ^= 1;
      await writeFile(path, bytes);
      await using classifier = await load(path, inFile);
      await use(classifier);
    };
    const left = ['support.features', 'examples.sha256', 'thumbnails'];
    for (const name of entries.keys())
      if (!left.includes(name))
        await expect(
          altered(name, () => {}),
          name,
        ).rejects.toEqual(damaged);
    for (const use of [
      (classifier: Classifier) => classifier.probabilities(features),
      (classifier: Classifier) => classifier.explain(`${photos}/cat/0.png`),
      ({ data }: Classifier) => data.support.features.data,
    ])
      await expect(altered('support.features', use)).rejects.toEqual(damaged);
    await altered('support.features', ({ data }) => expect([...data.examples]).toEqual(examples));
    const facts = ({ data }: Classifier) => [...data.examples];
    await expect(altered('examples.sha256', facts)).rejects.toEqual(damaged);
    await expect(altered('thumbnails', facts)).rejects.toEqual(damaged);
    await altered('thumbnails', (classifier) => classifier.probabilities(features));
  });

  it('have their lengths checked when they are first read, under matching checksums', async () => {
    const photos = await writePictures(at('lengths'), { cat: 2, dog: 2 });
    await using fitted = await fit(photos, { encoder, method: 'tip-adapter', keys: 'int8' });
    const path = at('lengths.safetensors');
    const wrong = resealed(classifierBytes(fitted.data), (_, tensors) => {
      (tensors['support.scales']!.data as Float32Array)[3]! *= 1.1;
    });
    await writeFile(path, wrong);
    await using classifier = await load(path, inFile);
    await expect(classifier.probabilities(plainRows(fitted.data.support))).rejects.toThrow('for row 3');
  });

  it('are left in files of format 2, which are verified as a whole', async () => {
    const old = await readFile(new URL('../../tests/fixtures/format-2.safetensors', import.meta.url));
    const path = at('old.safetensors');
    await writeFile(path, old);
    const data = await readClassifier(path, { largestInMemory: 0 });
    expect(isInFile(data.support.features)).toBe(true);
    expect([...data.examples]).toEqual((await decodeClassifier(old)).examples);
    expect([...data.support.features.data]).toEqual([...(await decodeClassifier(old)).support.features.data]);
    old[old.length - 1]! ^= 1;
    await writeFile(path, old);
    await expect(readClassifier(path, { largestInMemory: 0 })).rejects.toThrow('checksum');
  });

  it('report the effect of 8 bits, and take half the space', async () => {
    const photos = await writePictures(at('eight'), { cat: 5, dog: 7 });
    const fitted = (keys: 'half' | 'int8') => fit(photos, { encoder, method: 'tip-adapter', keys });
    const [half, int8] = [await fitted('half'), await fitted('int8')];
    expect(half.data.keys).toBeUndefined();
    const { keys } = await decodeClassifier(classifierBytes(int8.data));
    expect(keys?.cosine).toBeGreaterThan(0);
    expect(keys?.cosine).toBeLessThan(1e-3);
    expect(keys?.probability).toBeLessThan(0.05);
    expect(keys?.agreement).toBeGreaterThan(0.9);
    const size = (data: typeof half.data) =>
      parseSafetensors(classifierBytes(data)).tensors.get('support.features')!.data.byteLength;
    expect(size(int8.data)).toBe(size(half.data) / 2);
    for (const one of [half, int8]) await one.close();
  });
});

describe('save', () => {
  it('by two writers at once leaves one whole file and nothing else', async () => {
    const path = at('shared', 'pets.safetensors');
    const other = await classifier.remove({ examples: [classifier.data.examples[0]!.id] });
    await Promise.all(Array.from({ length: 8 }, (_, i) => (i % 2 ? classifier : other).save(path)));
    const { data } = await load(path);
    expect([4, 5]).toContain(data.examples.length);
    expect(await readdir(at('shared'))).toEqual(['pets.safetensors']);
  });

  it('replaces nothing if it fails', async () => {
    await classifier.save(at('kept.safetensors'));
    const failure = await classifier.save(at('kept.safetensors', 'below')).catch((error) => error);
    expect(failure).toBeInstanceOf(DataError);
    expect(failure).toMatchObject({ exitCode: 3, code: 'disk/not-a-folder' });
    expect(Buffer.compare(await readFile(at('kept.safetensors')), bytes)).toBe(0);
  });

  it.skipIf(process.getuid?.() === 0)(
    'into a read-only folder throws an error that says so (skipped for root, who may write)',
    async () => {
      await mkdir(at('locked'));
      await chmod(at('locked'), 0o500);
      await expect(classifier.save(at('locked', 'pets.safetensors'))).rejects.toMatchObject({
        code: 'disk/read-only',
      });
      expect(await readdir(at('locked'))).toEqual([]);
    },
  );
});

const hasPython = spawnSync('python3', ['-c', 'import safetensors, numpy']).status === 0;

describe.skipIf(!hasPython)(
  "python3's safetensors (skipped if python3 cannot import safetensors and numpy)",
  () => {
    it('reads the same numbers', async () => {
      await classifier.save(at('python.safetensors'));
      const script = `
import json, sys
from safetensors import safe_open
with safe_open(sys.argv[1], 'np') as file:
    about = json.loads(file.metadata()['classifier'])
    features = file.get_tensor('support.features')
    print(json.dumps({
        'names': sorted(file.keys()), 'dtype': str(features.dtype), 'shape': features.shape,
        'values': features.astype('float32').ravel().tolist(), 'labels': file.get_tensor('support.labels').tolist(),
        'classes': [c['id'] for c in about['classes']],
    }))`;
      const { stdout, stderr } = spawnSync('python3', ['-c', script, at('python.safetensors')], {
        encoding: 'utf8',
      });
      expect(stderr).toBe('');
      const { support } = classifier.data;
      expect(JSON.parse(stdout)).toEqual({
        names: [...parseSafetensors(bytes).tensors.keys()].sort(),
        dtype: 'float16',
        shape: [5, 16],
        values: [...support.features.data],
        labels: [...support.labels],
        classes: ['cat', 'dog'],
      });
    });
  },
);
