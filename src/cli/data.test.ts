import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { npy, npyLabels, rowsOf } from '../bench/dump.fixture.ts';
import { recordingIo } from './io.fixture.ts';
import { runCli } from './program.ts';

let root: string;
beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), 'data-check-'));
  const folder = join(root, 'DTD');
  await mkdir(folder);
  await writeFile(join(folder, 'info.json'), JSON.stringify({ dataset: 'dtd', classes: ['ant', 'bee'] }));
  await writeFile(join(folder, 'test.npy'), npy(rowsOf([0, 1, 1], 'test')));
  await writeFile(join(folder, 'test.labels.npy'), npyLabels([0, 1, 1]));
});
afterEach(() => rm(root, { recursive: true }));

async function check(...argv: string[]) {
  const io = recordingIo();
  const status = await runCli(['data', 'check', root, ...argv], io);
  return { status, out: io.out(), err: io.err() };
}

describe('data check', () => {
  it('shows every public data set and the sources of missing files, and ends with 3', async () => {
    const { status, out, err } = await check();
    expect(status).toBe(3);
    expect(out).toMatch(/DTD +features +2 +– +– +3 /);
    expect(out).toContain('split_zhou_EuroSAT.json  from https://github.com/KaiyangZhou/CoOp');
    expect(err).toContain('Not complete: ImageNet, Caltech101, OxfordPets');
    expect(err).not.toContain('DTD');
  });

  it('ends with 0 if the given data sets are complete', async () => {
    const { status, out } = await check('--only', 'dtd', '--json');
    expect(status).toBe(0);
    expect(JSON.parse(out)).toEqual([expect.objectContaining({ id: 'dtd', state: 'features', classes: 2 })]);
  });

  it('refuses an unknown data set, and a missing folder', async () => {
    expect(await check('--only', 'cifar')).toMatchObject({
      status: 2,
      err: expect.stringContaining('imagenet, caltech101'),
    });
    const io = recordingIo();
    expect(await runCli(['data', 'check', join(root, 'nowhere')], io)).toBe(3);
  });
});
