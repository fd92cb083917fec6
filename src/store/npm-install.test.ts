import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { threadClock } from '../../tests/thread-clock.ts';
import { integrityOf, startFakeRegistry } from './fake-hub.fixture.ts';
import { installFromNpm } from './npm-install.ts';
import { tarball } from './tarball.fixture.ts';

let home: string;
let registry: Awaited<ReturnType<typeof startFakeRegistry>>;

function packageOf(name: string, files: Record<string, string>) {
  const bytes = tarball(
    Object.entries(files).map(([path, content]) => [{ path: `package/${path}` }, content]),
  );
  const wanted = (path: string) => !path.startsWith('other/');
  return { bytes, part: { name, version: '1.0.0', integrity: integrityOf(bytes), wanted } };
}

const large = packageOf('large', {
  'package.json': '{"name":"large"}',
  'bin/here/native.node': 'native '.repeat(1000),
  'other/native.node': 'x',
});
const small = packageOf('@scope/small', { 'package.json': '{}', 'index.js': '' });
const parts = [large.part, small.part];

beforeEach(async () => {
  home = await mkdtemp(join(tmpdir(), 'tip-install-'));
  vi.stubEnv('TIP_ADAPTER_HOME', join(home, 'cache'));
  registry = await startFakeRegistry({ 'large@1.0.0': large.bytes, '@scope/small@1.0.0': small.bytes });
  vi.stubEnv('npm_config_registry', registry.endpoint);
});
afterEach(async () => {
  vi.unstubAllEnvs();
  await registry.close();
  await rm(home, { recursive: true });
});

const installed = async () => (await readdir(join(home, 'runtime'), { recursive: true })).sort();

describe('installFromNpm', () => {
  const folder = () => join(home, 'runtime', 'v1');

  it('installs the wanted files into node_modules once, and leaves no tarball', async () => {
    await Promise.all([installFromNpm(folder(), parts), installFromNpm(folder(), parts)]);
    expect(registry.requests).toHaveLength(2);
    expect((await installed()).filter((path) => /\.\w+$/.test(path))).toEqual([
      'v1/node_modules/@scope/small/index.js',
      'v1/node_modules/@scope/small/package.json',
      'v1/node_modules/large/bin/here/native.node',
      'v1/node_modules/large/package.json',
    ]);
    expect(await readFile(join(folder(), 'node_modules/large/package.json'), 'utf8')).toContain('large');
    expect(await readdir(join(home, 'cache/downloads/npm'))).toEqual([]);
    await registry.close();
    await installFromNpm(folder(), parts);
  });

  it('leaves no folder if a package does not match its integrity', async () => {
    const wrong = { ...small.part, integrity: large.part.integrity };
    await expect(installFromNpm(folder(), [large.part, wrong])).rejects.toMatchObject({
      code: 'checksum/mismatch',
    });
    expect(await installed()).toEqual([]);
    await installFromNpm(folder(), parts);
  });

  it('asks a registry that refuses only once, with a time limit', async () => {
    await registry.close();
    const started = threadClock();
    await expect(installFromNpm(folder(), parts, { patience: 200 })).rejects.toMatchObject({
      code: 'network/unreachable',
      message: expect.stringMatching(/ECONNREFUSED/),
    });
    expect(threadClock() - started).toBeLessThan(2000);
  });
});
