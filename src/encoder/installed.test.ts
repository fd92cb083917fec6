import { existsSync } from 'node:fs';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { encoderFolder, removeEncoder } from './installed.ts';
import { withoutSuffix } from './pre-projection.ts';
import { writeRecord } from './record.fixture.ts';

let home: string;
beforeEach(async () => {
  home = await mkdtemp(join(tmpdir(), 'installed-'));
  vi.stubEnv('TIP_ADAPTER_HOME', home);
});
afterEach(async () => {
  vi.unstubAllEnvs();
  await rm(home, { recursive: true });
});

describe('the folder of an encoder', () => {
  it.each(['..', '.', '', '...', '../..', './', '.folder-hashes.json', '..\\..', 'a/../../b'])(
    'is one of its own in the home for the name %j',
    (name) => {
      const folder = encoderFolder(name);
      expect(dirname(folder)).toBe(join(home, 'encoders'));
      expect(folder).toMatch(/encoders.[^.]/);
    },
  );
});

describe('removing an encoder', () => {
  it.each(['..', '.', '', '.hashes.json', '..+pre-projection', 'an/other'])(
    'removes nothing for the name %j',
    async (name) => {
      await mkdir(join(home, 'classifiers'));
      await writeRecord('an_other');
      await writeFile(join(home, 'encoders/.hashes.json'), '{}');
      await expect(removeEncoder(withoutSuffix(name) ?? name)).rejects.toMatchObject({
        code: 'encoder/unknown',
      });
      for (const kept of ['classifiers', 'encoders/.hashes.json', 'encoders/an_other/encoder.json'])
        expect(existsSync(join(home, kept)), kept).toBe(true);
    },
  );

  it('removes one whose record is damaged', async () => {
    await mkdir(join(home, 'encoders/half'), { recursive: true });
    await writeFile(join(home, 'encoders/half/encoder.json'), '{');
    await removeEncoder('half');
    expect(existsSync(join(home, 'encoders/half'))).toBe(false);
  });
});
