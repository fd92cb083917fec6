import sharp from 'sharp';
import { describe, expect, it } from 'vitest';
import { ownFolder } from './folder.fixture.ts';
import { type Grouping, groupedBy, likelyGroups } from './grouping.ts';
import { readDataset } from './read.ts';

const at = ownFolder();

async function groups(by: Grouping): Promise<(string | undefined)[]> {
  const { examples } = await groupedBy(await readDataset(at.root), by);
  return examples.map(({ group }) => group);
}

const taken = (date: string) =>
  sharp({ create: { width: 8, height: 8, channels: 3, background: 'red' } })
    .withExif({ IFD2: { DateTimeOriginal: date } } as never)
    .jpeg()
    .toBuffer();

describe('groups', () => {
  it('by folder are the folders inside a class folder', async () => {
    await at.write('cat/a/1.jpg', 'cat/a/2.jpg', 'cat/b/1.jpg', 'cat/0.jpg', 'dog/1.jpg', 'dog/2.jpg');
    expect(await groups('folder')).toEqual([
      undefined,
      'folder cat/a',
      'folder cat/a',
      'folder cat/b',
      undefined,
      undefined,
    ]);
  });

  it('by name are the names without the number at the end', async () => {
    await at.write('cat/a-1.jpg', 'cat/a-2.jpg', 'cat/7.jpg', 'dog/a-1.jpg', 'dog/b (1).jpg', 'dog/c.jpg');
    const of = Object.fromEntries(
      (await groupedBy(await readDataset(at.root), 'name-prefix')).examples.map(({ id, group }) => [
        id,
        group,
      ]),
    );
    expect(of).toEqual({
      'cat/7.jpg': undefined,
      'cat/a-1.jpg': 'name-prefix cat/a',
      'cat/a-2.jpg': 'name-prefix cat/a',
      'dog/a-1.jpg': 'name-prefix dog/a',
      'dog/b (1).jpg': 'name-prefix dog/b',
      'dog/c.jpg': undefined,
    });
  });

  it('by date are days, by Exif or else by the name, and a finding counts them', async () => {
    await at.write(
      ['cat/1.jpg', await taken('2024:05:17 10:22:31')],
      ['cat/2.jpg', await taken('2024:05:18 10:22:31')],
      'dog/IMG_20240517_235959.jpg',
      'dog/IMG_20249917_235959.jpg',
    );
    expect(await groups('date')).toEqual([
      'date 2024-05-17',
      'date 2024-05-18',
      'date 2024-05-17',
      undefined,
    ]);
    const { findings } = await groupedBy(await readDataset(at.root), 'date');
    expect(findings.at(-1)!.message).toBe(
      '3 pictures of 4 pictures are in 2 groups by date, the largest of 2 pictures.',
    );
  });

  it('by column are those of the table; a missing column is an error, and no group at all is a warning', async () => {
    await at.write('a.jpg', 'b.jpg', ['index.csv', 'path,label,group\na.jpg,cat,x\nb.jpg,dog,\n']);
    expect(await groups('column')).toEqual(['x', undefined]);
    expect(await groups('date')).toEqual(['x', undefined]);
    await at.write(['index.csv', 'path,label\na.jpg,cat\nb.jpg,dog\n']);
    await expect(groups('column')).rejects.toMatchObject({ code: 'dataset/group-column' });
    const { findings } = await groupedBy(await readDataset(at.root), 'date');
    expect(findings.at(-1)).toMatchObject({ level: 'warning', code: 'dataset/no-groups' });
  });
});

describe('likely groups', () => {
  const likely = async () =>
    (await likelyGroups((await readDataset(at.root)).examples)).map(({ message, paths }) => [message, paths]);

  it('are pictures of a class from one second, and numbered bursts and frames', async () => {
    const same = await taken('2024:05:17 10:22:31');
    await at.write(
      ['cat/1.jpg', same],
      ['cat/2.jpg', same],
      ['cat/3.jpg', await taken('2024:05:17 10:22:32')],
    );
    await at.write(['dog/1.jpg', same], 'dog/frame_01.jpg', 'dog/frame_02.jpg', 'dog/window.jpg');
    expect(await likely()).toEqual([
      [
        expect.stringMatching(/^2 pictures were taken in the same second .*--group-by date/),
        ['cat/1.jpg', 'cat/2.jpg'],
      ],
      [
        expect.stringMatching(/^2 pictures .*--group-by name-prefix/),
        ['dog/frame_01.jpg', 'dog/frame_02.jpg'],
      ],
    ]);
  });

  it('are series of numbered pictures, but not ids of cameras and of the web', async () => {
    const series = ['shelf-1_01', 'shelf-1_02', 'shelf-2_01', 'shelf-2_02', 'shelf-2_03'];
    await at.write(...series.map((name) => `cat/${name}.jpg`));
    const days = ['IMG_20240517_0001', 'IMG_20240517_0002', 'IMG_20240518_0001', 'IMG_20240518_0002'];
    const others = ['n01440764_18', 'n01440764_19', '331_9', '332_9', '7_1', '7_2'];
    await at.write(
      ...[...days, ...others].map((name) => `dog/${name}.jpg`),
      'owl/n02_1.jpg',
      'owl/n02_2.jpg',
    );
    expect(await likely()).toEqual([
      [
        expect.stringMatching(/^5 pictures .*--group-by name-prefix/),
        series.map((name) => `cat/${name}.jpg`),
      ],
    ]);
  });

  it('are not reported if the data have these groups already', async () => {
    await at.write('cat/frame_01.jpg', 'cat/frame_02.jpg', 'dog/1.jpg');
    const { examples } = await groupedBy(await readDataset(at.root), 'name-prefix');
    expect(await likelyGroups(examples)).toEqual([]);
  });
});
