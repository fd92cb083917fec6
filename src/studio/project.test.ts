import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import sharp from 'sharp';
import { afterAll, afterEach, beforeEach, expect, it } from 'vitest';
import { readDataset } from '../dataset/read.ts';
import { createImageLoader } from '../image/loader.ts';
import { applyCommand, type Board, type Command, EMPTY_BOARD } from './board.ts';
import { openPictures } from './disk-pictures.ts';
import type { Pictures } from './pictures.ts';
import { projectZip } from './project.ts';

const loader = createImageLoader();
let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'project-'));
});
afterEach(() => rm(folder, { recursive: true }));
afterAll(() => loader.close());

const picture = (hue: number) =>
  sharp({ create: { width: 20, height: 20, channels: 3, background: `hsl(${hue},70%,40%)` } })
    .png()
    .toBuffer();

const CLASSES = ['ice_cream, "soft"', '猫/..', 'CON'];

/** A picture of every class and an unsorted one. Those of the second class have one name and are a burst. */
async function collected(pictures: Pictures): Promise<Board> {
  const commands: Command[] = CLASSES.map((name) => ({ do: 'add-class', id: name, name }));
  for (const [hue, classId, name, group] of [
    [10, CLASSES[0], 'a b.png', undefined],
    [100, CLASSES[1], 'frame.png', 'burst, 1'],
    [120, CLASSES[1], 'frame.png', 'burst, 1'],
    [200, CLASSES[2], '../../evil.png', undefined],
    [300, undefined, 'later', undefined],
  ] as const) {
    const kept = (await pictures.keep(name, await picture(hue))) as { hash: string };
    commands.push({ do: 'add', pictures: [{ hash: kept.hash, name, classId, group }] });
  }
  return commands.reduce(applyCommand, EMPTY_BOARD);
}

async function zipped(board: Board, pictures: Pictures): Promise<string> {
  const path = join(folder, 'pictures.zip');
  const chunks: Uint8Array[] = [];
  for await (const chunk of await projectZip(board, pictures)) chunks.push(chunk);
  await writeFile(path, Buffer.concat(chunks));
  return path;
}

it('is imported by another session with exact class names, groups, and unsorted pictures', async () => {
  const here = openPictures(join(folder, 'here'), loader);
  const board = await collected(here);
  const there = openPictures(join(folder, 'there'), loader);
  const kept = await there.keepZip(await zipped(board, here));
  const told = kept.map((one) => ('hash' in one ? [one.hash, one.className, one.group] : one));
  expect(told).toHaveLength(board.pictures.size);
  for (const { hash, classId, group } of board.pictures.values()) {
    expect(told).toContainEqual([hash, classId ?? '', group]);
    expect(await there.read(hash)).toEqual(await here.read(hash));
  }
});

it('is a data set for every command', async () => {
  const pictures = openPictures(join(folder, 'here'), loader);
  const { classes, examples } = await readDataset(await zipped(await collected(pictures), pictures));
  expect(classes.map(({ name }) => name).sort()).toEqual(CLASSES.toSorted());
  expect(examples.map(({ label }) => label).filter((label) => label >= 0)).toHaveLength(4);
  expect(examples.filter(({ group }) => group === 'burst, 1')).toHaveLength(2);
  for (const { id } of examples) expect(id.split('/')).not.toContain('..');
});

it('is refused if it exceeds the limits of a zip', async () => {
  const many = new Map(
    Array.from({ length: 70_000 }, (_, i) => {
      const hash = i.toString(16).padStart(64, '0');
      return [hash, { hash, name: 'x.png' }] as const;
    }),
  );
  const pictures = { size: async () => 100 } as unknown as Pictures;
  await expect(projectZip({ ...EMPTY_BOARD, pictures: many }, pictures)).rejects.toMatchObject({
    code: 'studio/project-too-large',
  });
});

it('names a picture that was removed from the disk', async () => {
  const pictures = openPictures(join(folder, 'here'), loader);
  const board = await collected(pictures);
  await rm(join(folder, 'here', 'pictures', [...board.pictures.keys()][0]!));
  await expect(projectZip(board, pictures)).rejects.toMatchObject({ code: 'studio/no-picture' });
});
