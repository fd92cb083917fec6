import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type Zippable, zipSync } from 'fflate';
import { readDataset } from '../src/dataset/read.ts';
import { random } from '../src/math/random.ts';
import type { Campaign } from './campaign.ts';
import { mutateBytes, pick } from './mutate.ts';

const CLASSES = ['cat', 'dog', 'owl'];

/** Contents of the pictures. Any bytes are possible, because pictures are not decoded. The first halves can be compressed. */
const contents = Array.from({ length: 9 }, (_, i) => {
  const draw = random('content', i);
  return Uint8Array.from({ length: 40 + 20 * i }, (_, at) => (at < 20 ? i : draw.integer(256)));
});
const known = new Set(contents.map((bytes) => Buffer.from(bytes).toString('hex')));

const named = (nameOf: (i: number) => string, level: 0 | 9): Zippable =>
  Object.fromEntries(contents.map((bytes, i) => [nameOf(i), [bytes, { level }]]));
const text = (lines: readonly string[]) => Buffer.from(`${lines.join('\n')}\n`);

const originals: readonly Buffer[] = [
  zipSync(named((i) => `${CLASSES[i % 3]}/${i}.png`, 0)),
  zipSync(named((i) => `${CLASSES[i % 3]}/${i}.png`, 9)),
  zipSync(named((i) => `things/${['train', 'test'][i % 2]}/${CLASSES[i % 3]}/ü${i}.jpg`, 9)),
  zipSync({
    ...named((i) => `images/${i}.png`, 9),
    'index.csv': text([
      'path,label,split',
      ...contents.map((_, i) => `images/${i}.png,${CLASSES[i % 3]},train`),
    ]),
  }),
  zipSync({
    ...named((i) => `${i}.webp`, 0),
    'metadata.jsonl': text(
      contents.map((_, i) => JSON.stringify({ file_name: `${i}.webp`, label: CLASSES[i % 3] })),
    ),
    empty: {},
  }),
].map((bytes) => Buffer.from(bytes));

export const campaign: Campaign = {
  title: 'Zips of pictures: stored and deflated, in folders and with tables',
  seconds: 20,
  megabytes: 1024,
  prepare: async () => {},
  open: async (_, scratch) => async (random) => {
    const path = join(scratch, 'mutant.zip');
    await writeFile(path, mutateBytes(pick(random, originals), random));
    const { examples, classes } = await readDataset(path);
    assert(examples.length > 0 && examples.length <= 4 * contents.length, `${examples.length} examples`);
    const failures: unknown[] = [];
    for (const { id, label, read } of examples) {
      assert(label >= -1 && label < classes.length, `${id} has label ${label}`);
      const bytes = await read().catch((error) => failures.push(error));
      // An entry's CRC-32 is in the zip twice, so changed bytes must not be returned.
      if (typeof bytes !== 'number')
        assert(known.has(Buffer.from(bytes).toString('hex')), `${id} has other bytes`);
    }
    if (failures.length > 0) throw failures[0];
  },
};
