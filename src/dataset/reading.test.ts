import { join } from 'node:path';
import { zipSync } from 'fflate';
import { expect, it } from 'vitest';
import { ownFolder } from './folder.fixture.ts';
import { readDataset } from './read.ts';

const own = ownFolder();

const FILES = 20_000;
/** An algorithm of classes times files took 60 times as long with 20,000 classes as with 20. A folder for each file also costs time. */
const MOST = 6;

const archive = (classes: number) =>
  zipSync(
    Object.fromEntries(
      Array.from({ length: FILES }, (_, i) => [`class_${i % classes}/${i}.jpg`, new Uint8Array(0)]),
    ),
    { level: 0 },
  );

it('takes about the same time for few and for many classes', { timeout: 120_000 }, async () => {
  const seconds: number[] = [];
  for (const classes of [20, FILES]) {
    await own.write([`${classes}.zip`, archive(classes)]);
    const before = process.cpuUsage();
    const dataset = await readDataset(join(own.root, `${classes}.zip`));
    seconds.push(process.cpuUsage(before).user / 1e6);
    expect([dataset.classes.length, dataset.examples.length]).toEqual([classes, FILES]);
  }
  expect(seconds[1]! / seconds[0]!).toBeLessThan(MOST);
});
