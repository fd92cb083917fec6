import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import sharp from 'sharp';
import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import { fakeEncoder } from '../classifier/fake-encoder.fixture.ts';
import { type Classifier, load } from '../classifier/index.ts';
import { createImageLoader } from '../image/loader.ts';
import { norm, row, scaled } from '../math/matrix.ts';
import { diskTeacher } from './disk-teacher.ts';
import type { Lesson } from './lesson.ts';

const SETTINGS = { method: 'tip-adapter', reject: 0 };
const CONSTANTS = { alpha: 2, beta: 3, temperature: 0.7 };

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'teacher-'));
  vi.stubEnv('TIP_ADAPTER_HOME', join(folder, 'home'));
});
afterEach(async () => {
  vi.unstubAllEnvs();
  await rm(folder, { recursive: true, force: true });
});

const HUES = [0, 20, 200, 220, 100, 340];
const picture = (hue: number) =>
  sharp({ create: { width: 40, height: 40, channels: 3, background: `hsl(${hue},70%,40%)` } })
    .png()
    .toBuffer();

/** Pictures by their position among the hues. Class 0 is red, and class 1 is any other colour. */
function lessonOf(places: readonly number[]): Lesson {
  return {
    classes: ['red', 'other'].map((name) => ({ key: name, id: name, name, promptName: name, prompts: [] })),
    examples: places.map((i) => ({
      hash: String(i).repeat(64),
      id: `${i}.png`,
      label: HUES[i]! < 30 || HUES[i]! > 330 ? 0 : 1,
      group: i,
    })),
  };
}

it('answers like the saved files for lessons that grow, shrink and change their order', async () => {
  const encoder = fakeEncoder();
  const loader = createImageLoader();
  const teacher = diskTeacher(encoder, { read: (hash) => picture(HUES[Number(hash[0])]!) }, loader);
  const query = await picture(10);
  for (const places of [
    [0, 2],
    [0, 2, 1, 3],
    [0, 2, 1, 3, 4],
    [3, 0, 5],
    [3, 0, 5, 4, 1, 2],
  ]) {
    const lesson = lessonOf(places);
    expect(await teacher.embedLesson(lesson)).toEqual([]);
    const live = (await teacher.live(lesson, SETTINGS, CONSTANTS)) as Classifier;
    const file = join(folder, `${places.join('')}.safetensors`);
    await live.save(file);
    const kept = await load(file, { encoder });
    const [answer, expected] = [await live.explain(query), await kept.explain(query)];
    expect(answer.contributions.map(({ example }) => example)).toEqual(
      expected.contributions.map(({ example }) => example),
    );
    answer.classes.forEach(({ id, probability, text, examples }, c) => {
      const other = expected.classes[c]!;
      expect(id).toBe(other.id);
      expect(probability).toBeCloseTo(other.probability, 5);
      expect(text).toBeCloseTo(other.text, 4);
      expect(examples).toBeCloseTo(other.examples, 5);
    });
    await kept.close();
    await live.close();
  }
  await teacher.close();
  await loader.close();
});

it('knows pictures whose features half precision cannot hold', async () => {
  const plain = fakeEncoder();
  const encoder = {
    ...plain,
    embedImages: async (...given: Parameters<typeof plain.embedImages>) =>
      scaled(await plain.embedImages(...given), 1e-9),
  };
  const loader = createImageLoader();
  const teacher = diskTeacher(encoder, { read: (hash) => picture(HUES[Number(hash[0])]!) }, loader);
  const lesson = lessonOf([0, 2, 1, 3]);
  await teacher.embedLesson(lesson);
  const live = (await teacher.live(lesson, SETTINGS, CONSTANTS)) as Classifier;
  for (const i of live.data.support.labels.keys())
    expect(norm(row(live.data.support.features, i))).toBeCloseTo(1, 3);
  await live.close();
  await teacher.close();
  await loader.close();
});

it('lists the classes whose name is longer than the encoder can read', async () => {
  const encoder = {
    ...fakeEncoder(),
    textLength: async (texts: readonly string[]) => ({
      tokens: texts.map((text) => text.length),
      read: 'a photo of a red.'.length,
    }),
  };
  const loader = createImageLoader();
  const teacher = diskTeacher(encoder, { read: (hash) => picture(HUES[Number(hash[0])]!) }, loader);
  const lesson = lessonOf([0, 2]);
  expect(teacher.cut(lesson)).toEqual([]);
  await teacher.embedLesson(lesson);
  expect(teacher.cut(lesson)).toEqual(['other']);
  await teacher.close();
  await loader.close();
});
