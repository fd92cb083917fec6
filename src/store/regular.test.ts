import { mkdtemp, rm, symlink, truncate, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { ModelError } from '../errors.ts';
import { openRegular, readRegular, unlessMissing } from './regular.ts';

let folder: string;
const at = (name: string) => join(folder, name);
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'regular-'));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

const linux = process.platform === 'linux';

describe('readRegular', () => {
  it('reads a file unchanged, also an empty one', async () => {
    await writeFile(at('text'), 'some text');
    expect((await readRegular(at('text'), { area: 'test' })).toString()).toBe('some text');
    await writeFile(at('empty'), '');
    expect(await readRegular(at('empty'), { area: 'test' })).toHaveLength(0);
  });

  it('reports a missing file in the words and the error class of its use', async () => {
    const missing = readRegular(at('gone'), { area: 'test', Failure: ModelError, hint: 'Look elsewhere.' });
    await expect(missing).rejects.toThrow(ModelError);
    await expect(missing).rejects.toMatchObject({
      code: 'test/missing',
      message: `There is no file ${at('gone')}`,
      hint: 'Look elsewhere.',
      details: { path: at('gone') },
    });
    await expect(missing.catch(unlessMissing)).resolves.toBeUndefined();
  });

  it('refuses a folder with another error than for a missing file', async () => {
    const refused = readRegular(folder, { area: 'test' });
    await expect(refused).rejects.toMatchObject({
      code: 'test/unreadable',
      message: `${folder} is a folder, not a regular file`,
    });
    await expect(refused.catch(unlessMissing)).rejects.toMatchObject({ code: 'test/unreadable' });
  });

  it('refuses a file above the limit before it is read', async () => {
    await writeFile(at('sparse'), '');
    await truncate(at('sparse'), 2 ** 40);
    for (const read of [openRegular, readRegular])
      await expect(read(at('sparse'), { area: 'test', limit: 2 ** 20 })).rejects.toMatchObject({
        code: 'test/too-many-bytes',
        message: `${at('sparse')} is larger than the limit of 1,048,576 bytes`,
      });
    await expect(readRegular(at('sparse'), { area: 'test' })).rejects.toMatchObject({
      code: 'test/too-many-bytes',
    });
    await truncate(at('sparse'), 1000);
    expect(await readRegular(at('sparse'), { area: 'test', limit: 1000 })).toHaveLength(1000);
  });

  it.skipIf(!linux)('reads a file whose size is given as 0, and no more of it than the limit', async () => {
    expect((await readRegular('/proc/self/status', { area: 'test' })).toString()).toMatch(/^Name:/);
    await expect(readRegular('/proc/self/maps', { area: 'test', limit: 100 })).rejects.toMatchObject({
      code: 'test/too-many-bytes',
    });
  });

  it.skipIf(!linux)('names a file that fails while it is read', async () => {
    await symlink('/proc/self/mem', at('mem'));
    await expect(readRegular(at('mem'), { area: 'test' })).rejects.toMatchObject({
      code: 'test/unreadable',
      message: `Cannot read ${at('mem')}: the disk reports an error`,
    });
  });
});
