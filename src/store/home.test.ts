import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { folderSize, homeFolder } from './home.ts';

afterEach(() => vi.unstubAllEnvs());

describe('homeFolder', () => {
  it('is TIP_ADAPTER_HOME, made absolute, when that is set', () => {
    vi.stubEnv('TIP_ADAPTER_HOME', 'somewhere');
    expect(homeFolder()).toBe(resolve('somewhere'));
    expect(homeFolder('features')).toBe(join(resolve('somewhere'), 'features'));
  });

  it.skipIf(process.platform !== 'linux')(
    'is in the XDG cache folder on Linux, unless that is a relative path',
    () => {
      vi.stubEnv('TIP_ADAPTER_HOME', '');
      vi.stubEnv('HOME', '/home/ada');
      vi.stubEnv('XDG_CACHE_HOME', '/caches');
      expect(homeFolder()).toBe('/caches/tip-adapter');
      vi.stubEnv('XDG_CACHE_HOME', 'relative');
      expect(homeFolder('encoders')).toBe('/home/ada/.cache/tip-adapter/encoders');
    },
  );
});

describe('folderSize', () => {
  it('adds up files in nested folders, and is 0 for a missing folder', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'tip-home-'));
    await mkdir(join(folder, 'a', 'b'), { recursive: true });
    await writeFile(join(folder, 'a', 'b', 'x'), new Uint8Array(1000));
    await writeFile(join(folder, 'y'), new Uint8Array(234));
    expect(await folderSize(folder)).toBe(1234);
    expect(await folderSize(join(folder, 'y'))).toBe(234);
    expect(await folderSize(join(folder, 'none'))).toBe(0);
    await rm(folder, { recursive: true });
  });
});
