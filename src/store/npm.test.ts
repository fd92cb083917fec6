import { spawnSync } from 'node:child_process';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { integrityOf, startFakeRegistry } from './fake-hub.fixture.ts';
import { extractMembers, npmTarball } from './npm.ts';
import { startProxy } from './proxy.fixture.ts';
import { tarball } from './tarball.fixture.ts';

let home: string;
beforeEach(async () => {
  home = await mkdtemp(join(tmpdir(), 'tip-npm-'));
  vi.stubEnv('TIP_ADAPTER_HOME', join(home, 'cache'));
  vi.stubEnv('HOME', home);
  for (const key of Object.keys(process.env)) if (/^npm_config_/i.test(key)) vi.stubEnv(key, undefined);
  vi.stubEnv('npm_config_userconfig', join(home, '.npmrc'));
});
afterEach(async () => {
  vi.unstubAllEnvs();
  await rm(home, { recursive: true });
});

const CONTENT = tarball([
  [{ path: 'package/package.json' }, '{}'],
  [{ path: 'package/model/weights.bin' }, 'x'.repeat(100_000)],
  [{ path: 'package/README.md' }, 'read me'],
]);
const NAMED = { name: '@scope/weights', version: '1.2.3', integrity: integrityOf(CONTENT) };

describe('npmTarball', () => {
  it.each([
    ['the environment', async (url: string) => vi.stubEnv('npm_config_registry', url)],
    ['.npmrc', (url: string) => writeFile(join(home, '.npmrc'), `; mine\nregistry = "${url}"\n`)],
    [
      "the scope's registry",
      (url: string) =>
        writeFile(join(home, '.npmrc'), `registry=http://127.0.0.1:9/\n@scope:registry=${url}/`),
    ],
  ])('asks the registry that %s names, once', async (_, configure) => {
    const registry = await startFakeRegistry({ '@scope/weights@1.2.3': CONTENT });
    await configure(registry.endpoint);
    const { path } = await npmTarball(NAMED);
    expect(path).toBe(join(home, 'cache', 'downloads', 'npm', 'scope-weights-1.2.3.tgz'));
    await registry.close();
    expect((await npmTarball(NAMED)).path).toBe(path);
    expect(Buffer.compare(await readFile(path), CONTENT)).toBe(0);
  });

  it('finds a tarball at an unusual address, with the token of .npmrc', async () => {
    const registry = await startFakeRegistry({ 'plain@1.0.0': CONTENT }, { token: 't0ken', elsewhere: true });
    const { host } = new URL(registry.endpoint);
    vi.stubEnv('npm_config_registry', registry.endpoint);
    const plain = { ...NAMED, name: 'plain', version: '1.0.0' };
    await expect(npmTarball(plain)).rejects.toMatchObject({ code: 'network/denied', hint: /npm login/ });
    vi.stubEnv('SECRET', 't0ken');
    await writeFile(join(home, '.npmrc'), `//${host}/:_authToken=\${SECRET}\n`);
    expect((await npmTarball(plain)).size).toBe(CONTENT.length);
    await expect(npmTarball({ ...plain, version: '9.9.9' })).rejects.toMatchObject({
      code: 'network/not-found',
    });
    await registry.close();
  });

  it("goes through npm's own proxies: of .npmrc, and of the environment for HTTPS", async () => {
    for (const name of ['HTTP_PROXY', 'http_proxy', 'HTTPS_PROXY', 'https_proxy', 'NO_PROXY', 'no_proxy'])
      vi.stubEnv(name, undefined);
    const proxy = await startProxy(['127.0.0.1']);
    const registry = await startFakeRegistry({ '@scope/weights@1.2.3': CONTENT });
    await writeFile(join(home, '.npmrc'), `registry=${registry.endpoint}\nproxy=${proxy.endpoint}\n`);
    await npmTarball(NAMED);
    vi.stubEnv('npm_config_registry', 'https://localhost:10');
    vi.stubEnv('npm_config_https_proxy', proxy.endpoint);
    const elsewhere = { ...NAMED, name: 'elsewhere' };
    await expect(npmTarball(elsewhere, { patience: 1000 })).rejects.toMatchObject({
      code: 'network/unreachable',
    });
    expect(proxy.asked).toEqual([new URL(registry.endpoint).host, 'localhost:10']);
    proxy.close();
    await registry.close();
  });

  const openssl = spawnSync('openssl', ['version']).status === 0;
  it.skipIf(!openssl)(
    "trusts npm's cafile, or any certificate where npm does (skipped if there is no openssl)",
    async () => {
      const [key, cert] = [join(home, 'key.pem'), join(home, 'cert.pem')];
      const made = ['req', '-x509', '-newkey', 'rsa:2048', '-nodes', '-keyout', key, '-out', cert];
      spawnSync('openssl', [
        ...made,
        '-days',
        '2',
        '-subj',
        '/CN=localhost',
        '-addext',
        'subjectAltName=DNS:localhost',
      ]);
      const server = createServer({ key: await readFile(key), cert: await readFile(cert) }, (_, response) =>
        response.end(CONTENT),
      );
      await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
      const registry = `registry=https://localhost:${(server.address() as AddressInfo).port}\n`;
      const configure = (more: string) => writeFile(join(home, '.npmrc'), registry + more);
      await configure('');
      await expect(npmTarball(NAMED)).rejects.toMatchObject({ code: 'network/unreachable' });
      await configure('strict-ssl=false\n');
      expect((await npmTarball({ ...NAMED, name: 'first' })).size).toBe(CONTENT.length);
      await configure(`cafile=${cert}\n`);
      expect((await npmTarball({ ...NAMED, name: 'second' })).size).toBe(CONTENT.length);
      server.closeAllConnections();
      server.close();
    },
  );

  it('refuses bytes without the pinned integrity', async () => {
    const registry = await startFakeRegistry({ '@scope/weights@1.2.3': CONTENT.slice(0, -1) });
    vi.stubEnv('npm_config_registry', registry.endpoint);
    await expect(npmTarball(NAMED)).rejects.toMatchObject({
      code: 'checksum/mismatch',
      details: { algorithm: 'sha512' },
    });
    await registry.close();
  });
});

describe('extractMembers', () => {
  const write = async (bytes: Uint8Array) => {
    const path = join(home, 'file.tgz');
    await writeFile(path, bytes);
    return path;
  };

  it('holds the wanted members only', async () => {
    const members = await extractMembers(await write(CONTENT), (path) => !path.endsWith('.md'));
    expect([...members.keys()]).toEqual(['package/package.json', 'package/model/weights.bin']);
    expect(members.get('package/model/weights.bin')?.length).toBe(100_000);
  });

  it('reads some of many members of every size', async () => {
    const sizes = Array.from(
      { length: 90 },
      (_, i) => [0, 1, 511, 512, 513, 5000, 70_000, 400_000][i % 8]! + i,
    );
    const path = await write(
      tarball(sizes.map((size, i) => [{ path: `package/${i}` }, `${i}`.repeat(size)])),
    );
    for (const every of [1, 2, 3, 7]) {
      const members = await extractMembers(path, (name) => Number(name.slice(8)) % every === 0);
      expect([...members].map(([name, bytes]) => [name, bytes.length])).toEqual(
        sizes.map((size, i) => [`package/${i}`, size * `${i}`.length]).filter((_, i) => i % every === 0),
      );
    }
  });

  it('never takes links, devices or paths that lead outside', async () => {
    const bytes = tarball([
      [{ path: '../evil' }, 'x'],
      [{ path: 'a/../../evil' }, 'x'],
      [{ path: '/etc/evil' }, 'x'],
      [{ path: 'C:\\evil' }, 'x'],
      [{ path: 'link', type: 'SymbolicLink', linkpath: '/etc/passwd' }, ''],
      [{ path: 'good/.../..file' }, 'y'],
    ]);
    expect([...(await extractMembers(await write(bytes), () => true)).keys()]).toEqual(['good/.../..file']);
  });

  it('throws a ModelError for every kind of damage', async () => {
    for (const length of [0, 5, 18, 100, CONTENT.length - 10]) {
      const error = await extractMembers(await write(CONTENT.subarray(0, length)), () => true).catch(
        (e) => e,
      );
      expect(error, `first ${length} bytes`).toMatchObject({ code: 'tarball/damaged', exitCode: 4 });
    }
    await expect(extractMembers(await write(new Uint8Array(500)), () => true)).rejects.toMatchObject({
      code: 'tarball/damaged',
    });
    await expect(extractMembers(join(home, 'none.tgz'), () => true)).rejects.toMatchObject({
      code: 'tarball/damaged',
    });
  });

  it('stops at the limit and at the signal', async () => {
    const path = await write(CONTENT);
    await expect(extractMembers(path, () => true, { mostBytes: 50_000 })).rejects.toMatchObject({
      code: 'tarball/too-large',
    });
    const signal = AbortSignal.abort();
    await expect(extractMembers(path, () => true, { signal })).rejects.toMatchObject({ code: 'interrupted' });
  });
});
