import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { ModelError } from '../errors.ts';
import { commitOf, type FakeHub, gitOidOf, sha256Of, startFakeHub } from './fake-hub.fixture.ts';
import { hubAnswers, listHub, resolveHub } from './hub.ts';

const REPO = 'Owner/clip.tiny';
const FILES = {
  'onnx/vision model.onnx': new Uint8Array(200_000).fill(3),
  'onnx/text_model.onnx': new Uint8Array(100_000).fill(4),
  'tokenizer.json': '{"model": {}}',
  'config.json': '{"a": 1}',
  'README.txt': 'Hello',
};
const WANTED = [{ path: 'onnx/vision model.onnx' }, { path: 'config.json' }];

let hub: FakeHub;
let home: string;
beforeEach(async () => {
  hub = await startFakeHub({ [REPO]: { files: { ...FILES }, revisions: ['refs/pr/3'] } });
  home = await mkdtemp(join(tmpdir(), 'tip-hub-'));
  vi.stubEnv('TIP_ADAPTER_HOME', home);
  vi.stubEnv('HF_ENDPOINT', `${hub.endpoint}/`);
  vi.stubEnv('HF_TOKEN', '');
});
afterEach(async () => {
  vi.unstubAllEnvs();
  await hub.close();
  await rm(home, { recursive: true });
});

const options = { retryDelay: 1 };
const failure = (...args: Parameters<typeof resolveHub>) =>
  resolveHub(...args).then(
    () => undefined,
    (e) => e,
  );

describe('listHub', () => {
  it('gives the commit and every file with its size and hash, over several pages', async () => {
    const { commit, files } = await listHub(REPO);
    expect(commit).toBe(commitOf(hub.repos[REPO]!));
    expect(files.map(({ path }) => path)).toEqual(Object.keys(FILES));
    expect(files[0]).toEqual({
      path: 'onnx/vision model.onnx',
      size: 200_000,
      sha256: sha256Of(FILES['onnx/vision model.onnx']),
    });
    expect(files[3]).toEqual({ path: 'config.json', size: 8, gitOid: gitOidOf(FILES['config.json']) });
    expect((await listHub(REPO, 'refs/pr/3')).commit).toBe(commit);
  });

  it('says where a repository was moved, and reads it there', async () => {
    hub.repos['Old/clip'] = { files: {}, movedTo: REPO };
    expect(await listHub('Old/clip')).toMatchObject({ movedTo: REPO, commit: commitOf(hub.repos[REPO]!) });
    expect(await listHub(REPO)).not.toHaveProperty('movedTo');
    const { files } = await resolveHub('Old/clip', 'main', WANTED);
    expect([...files.keys()]).toEqual(WANTED.map(({ path }) => path));
  });

  it('tells a gated repository from one that is not there', async () => {
    Object.assign(hub.repos[REPO]!, { token: 'secret', gated: true });
    const gated = { code: 'network/gated', hint: expect.stringContaining('Accept the terms') };
    await expect(listHub(REPO)).rejects.toMatchObject(gated);
    hub.repos[REPO]!.gated = false;
    await expect(listHub(REPO)).rejects.toMatchObject({ code: 'network/denied' });
  });

  it('retries temporary failures', async () => {
    hub.fail({ match: /tree/, status: 502, times: 3 });
    expect((await listHub(REPO, 'main', options)).files).toHaveLength(5);
  });

  it('explains refusals', async () => {
    await expect(listHub('no/such')).rejects.toMatchObject({
      code: 'network/denied',
      hint: expect.stringContaining('HF_TOKEN'),
    });
    await expect(listHub(REPO, 'nobranch')).rejects.toMatchObject({ code: 'network/not-found' });
    vi.stubEnv('HF_ENDPOINT', 'http://127.0.0.1:9');
    await expect(listHub(REPO, 'main', options)).rejects.toMatchObject({
      code: 'network/unreachable',
      exitCode: 4,
    });
  });

  it('refuses an answer that is not from a hub', async () => {
    const fetch = async () => new Response('<html>Log in to the train</html>');
    await expect(listHub(REPO, 'main', { fetch })).rejects.toMatchObject({ code: 'network/odd-answer' });
  });
});

describe('resolveHub', () => {
  it('fetches at the fixed commit, then works without the network', async () => {
    const seen: number[] = [];
    const first = await resolveHub(REPO, undefined, WANTED, {
      ...options,
      onProgress: ({ received, total }) => {
        expect(total).toBe(200_008);
        seen.push(received);
      },
    });
    expect(seen.at(-1)).toBe(200_008);
    expect(seen).toEqual([...seen].sort((a, b) => a - b));
    const vision = first.files.get('onnx/vision model.onnx');
    expect(vision).toMatchObject({ size: 200_000, sha256: sha256Of(FILES['onnx/vision model.onnx']) });
    expect(await readFile(first.files.get('config.json')?.path ?? '', 'utf8')).toBe('{"a": 1}');
    expect(
      hub.requests
        .filter(({ path }) => path.includes('/resolve/'))
        .every(({ path }) => path.includes(first.commit)),
    ).toBe(true);
    await hub.close();
    expect(await resolveHub(REPO, undefined, WANTED)).toEqual(first);
  });

  it('stays with the commit that it recorded until asked to refresh', async () => {
    const first = await resolveHub(REPO, 'main', WANTED);
    hub.repos[REPO]!.files['config.json'] = '{"a": 2}';
    expect((await resolveHub(REPO, 'main', WANTED)).commit).toBe(first.commit);
    const fresh = await resolveHub(REPO, 'main', WANTED, { refresh: true });
    expect(fresh.commit).not.toBe(first.commit);
    expect(await readFile(fresh.files.get('config.json')?.path ?? '', 'utf8')).toBe('{"a": 2}');
  });

  it('fetches missing or truncated files again, without asking for the commit of the revision', async () => {
    const { files } = await resolveHub(REPO, 'main', WANTED);
    const path = files.get('config.json')?.path ?? '';
    await writeFile(path, '{"a"');
    const before = hub.requests.length;
    await resolveHub(REPO, 'main', WANTED);
    expect(await readFile(path, 'utf8')).toBe('{"a": 1}');
    expect(hub.requests.slice(before)).toHaveLength(1);
  });

  it('leaves out optional files that are not there', async () => {
    const wanted = [
      { path: 'config.json' },
      { path: 'merges.txt', optional: true },
      { path: 'tokenizer.json', optional: true },
    ];
    const { files } = await resolveHub(REPO, 'main', wanted);
    expect([...files.keys()]).toEqual(['config.json', 'tokenizer.json']);
    await hub.close();
    expect((await resolveHub(REPO, 'main', wanted)).files).toEqual(files);
  });

  it('sends the token to the hub alone', async () => {
    hub.repos[REPO]!.token = 'secret';
    expect(await failure(REPO, 'main', WANTED)).toMatchObject({ code: 'network/denied' });
    vi.stubEnv('HF_TOKEN', 'secret');
    await resolveHub(REPO, 'main', WANTED);
    for (const { server, headers } of hub.requests.filter(({ status }) => status < 400)) {
      expect(headers.authorization).toBe(server === 'hub' ? 'Bearer secret' : undefined);
    }
  });

  it('names files that are missing', async () => {
    const error = await failure(REPO, 'main', [{ path: 'none.onnx' }, { path: 'config.json' }]);
    expect(error).toBeInstanceOf(ModelError);
    expect(error).toMatchObject({ code: 'hub/no-file', details: { missing: ['none.onnx'] } });
  });

  it("a pinned hash must be the hub's, and the bytes'", async () => {
    const { path } = WANTED[0]!;
    const pinned = [{ path, sha256: '0'.repeat(64) }];
    expect(await failure(REPO, 'main', pinned)).toMatchObject({ code: 'hub/other-file' });
    expect(hub.requests.some(({ server }) => server === 'cdn')).toBe(false);
    const small = [{ path: 'config.json', sha256: '0'.repeat(64) }];
    expect(await failure(REPO, 'main', small)).toMatchObject({ code: 'checksum/mismatch' });
  });

  it('a pointer of Git LFS is not a file, whatever size the hub states', async () => {
    const pointer = `version https://git-lfs.github.com/spec/v1\noid sha256:${'0'.repeat(64)}\nsize 8\n`;
    hub.fail({ match: /config/, instead: Buffer.from(pointer) });
    expect(await failure(REPO, 'main', [WANTED[1]!])).toMatchObject({ code: 'hub/lfs-pointer' });
  });

  it("bytes that do not match the hub's sha256 or git sha1 are refused", async () => {
    hub.fail({ match: /blobs/, instead: new Uint8Array(200_000) });
    expect(await failure(REPO, 'main', [WANTED[0]!])).toMatchObject({
      code: 'checksum/mismatch',
      details: { algorithm: 'sha256' },
    });
    hub.fail({ match: /config/, instead: Buffer.from('{"a": 7}') });
    expect(await failure(REPO, 'main', [WANTED[1]!])).toMatchObject({
      code: 'checksum/mismatch',
      details: { algorithm: 'git sha1' },
    });
  });

  it.each(['../x', '/etc/passwd', 'a/../../b', 'C:\\x', ''])('refuses the path "%s"', async (path) => {
    expect(await failure(REPO, 'main', [{ path }])).toMatchObject({ code: 'hub/path', exitCode: 2 });
  });
});

describe('hubAnswers', () => {
  it('is true for a hub, and false for silence, refusals, login pages and late answers', async () => {
    expect(await hubAnswers(2000, REPO)).toBe(true);
    expect(await hubAnswers(2000, 'no/such')).toBe(false);
    expect(await hubAnswers(2000, REPO, { fetch: async () => new Response('<html>') })).toBe(false);
    const never = (_: unknown, init?: RequestInit) =>
      new Promise<Response>((_, reject) =>
        init?.signal?.addEventListener('abort', () => reject(new Error('late'))),
      );
    expect(await hubAnswers(30, REPO, { fetch: never })).toBe(false);
    await hub.close();
    expect(await hubAnswers(2000, REPO)).toBe(false);
  });
});
