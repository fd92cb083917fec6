import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { built } from '../../tests/built.ts';
import { DataError, InterruptedError, ModelError } from '../errors.ts';
import { type DownloadRequest, download, type Progress } from './download.ts';
import { type FakeHub, integrityOf, sha256Of, startFakeHub } from './fake-hub.fixture.ts';
import { type Fetch, inTime, isPassing } from './network.ts';
import { startProxy } from './proxy.fixture.ts';

const MODEL = new Uint8Array(3_000_000).map((_, i) => (i * 2654435761) >>> 24);
const REPO = 'owner/model';

let hub: FakeHub;
let folder: string;
let request: DownloadRequest;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'tip-download-'));
  hub = await startFakeHub({ [REPO]: { files: { 'model.onnx': MODEL, 'config.json': '{"a": 1}' } } });
  request = {
    url: `${hub.endpoint}/${REPO}/resolve/main/model.onnx`,
    path: join(folder, 'deep', 'model.onnx'),
    retryDelay: 1,
  };
});
afterEach(async () => {
  vi.unstubAllEnvs();
  await hub.close();
  await rm(folder, { recursive: true });
});

const files = async () => (await readdir(join(folder, 'deep')).catch(() => [])).sort();
const failure = (overrides: Partial<DownloadRequest> = {}) =>
  download({ ...request, ...overrides }).catch((e) => e);
const cdnRequests = () => hub.requests.filter(({ server }) => server === 'cdn');

describe('a download', () => {
  it('follows the redirect, reports progress, checks size and hashes, and leaves only the file', async () => {
    const seen: Progress[] = [];
    const result = await download({
      ...request,
      size: MODEL.length,
      sha256: sha256Of(MODEL).toUpperCase(),
      integrity: `sha1-AAAA ${integrityOf(MODEL)}`,
      headers: { authorization: 'Bearer hf_secret' },
      onProgress: (progress) => seen.push(progress),
    });
    expect(result).toMatchObject({ path: request.path, size: MODEL.length, sha256: sha256Of(MODEL) });
    expect(result.etag).toMatch(/^"/);
    expect(Buffer.compare(await readFile(request.path), MODEL)).toBe(0);
    expect(await files()).toEqual(['model.onnx']);
    expect(seen[0]).toEqual({ received: 0, total: MODEL.length });
    expect(seen.at(-1)).toEqual({ received: MODEL.length, total: MODEL.length });
    expect(hub.requests.find(({ server }) => server === 'hub')?.headers.authorization).toBe(
      'Bearer hf_secret',
    );
    expect(cdnRequests()[0]!.headers.authorization).toBeUndefined();
  });

  it('is not repeated if the file exists and is as expected, and is repeated otherwise', async () => {
    await download({ ...request, sha256: sha256Of(MODEL) });
    const before = hub.requests.length;
    await download({ ...request, sha256: sha256Of(MODEL) });
    expect(hub.requests.length).toBe(before);
    await writeFile(request.path, 'damaged');
    await download({ ...request, sha256: sha256Of(MODEL) });
    expect((await stat(request.path)).size).toBe(MODEL.length);
  });

  it('of an empty file succeeds', async () => {
    hub.repos[REPO]!.files['empty.bin'] = '';
    await download({ ...request, url: request.url.replace('model.onnx', 'empty.bin') });
    expect((await stat(request.path)).size).toBe(0);
  });
});

describe('broken connections', () => {
  it('a cut in the middle is continued by range in the same run', async () => {
    hub.fail({ match: /blobs/, cutAfter: 1_000_000 });
    await download({ ...request, sha256: sha256Of(MODEL) });
    const second = cdnRequests()[1]!;
    expect(second).toMatchObject({ status: 206 });
    expect(Number(/\d+/.exec(second.headers.range ?? '')?.[0])).toBeGreaterThan(0);
  });

  it('repeated cuts end in an error that says how to continue, and the next run continues', async () => {
    hub.fail({ match: /blobs/, cutAfter: 300_000, times: 5 });
    const error = await failure();
    expect(error).toBeInstanceOf(ModelError);
    expect(error).toMatchObject({ code: 'network/cut', exitCode: 4 });
    expect(error.message).toMatch(/stopped after \d\.\d MB of 3\.0 MB/);
    expect(error.hint).toMatch(/same command again/);
    expect(await files()).toEqual(['model.onnx.part', 'model.onnx.part.json']);
    const kept = (await stat(`${request.path}.part`)).size;
    expect(kept).toBeGreaterThan(0);
    await download({ ...request, sha256: sha256Of(MODEL) });
    expect(cdnRequests().at(-1)?.headers.range).toBe(`bytes=${kept}-`);
  });

  it('does not mix two versions of a file', async () => {
    hub.fail({ match: /blobs/, cutAfter: 500_000, times: 5, instead: MODEL.toReversed() });
    await failure();
    await download({ ...request, sha256: sha256Of(MODEL) });
    expect(cdnRequests().at(-1)).toMatchObject({ status: 200 });
  });

  it.each([
    ['a server that ignores ranges', { ignoreRange: true }],
    ['a server that refuses the range', { status: 416 }],
    ['an error of the server', { status: 503, headers: { 'retry-after': '0' } }],
  ])('continues after %s', async (_, fault) => {
    hub.fail({ match: /blobs/, cutAfter: 400_000, times: 5 });
    await failure();
    hub.fail({ match: /blobs/, ...fault });
    await download({ ...request, sha256: sha256Of(MODEL) });
  });

  it('starts again without a strong ETag', async () => {
    hub.fail({ match: /blobs/, cutAfter: 400_000, times: 5, etag: 'W/"weak"' });
    await failure();
    await download({ ...request, sha256: sha256Of(MODEL) });
    expect(hub.requests.every(({ headers }) => headers.range === undefined)).toBe(true);
  });

  it('a complete part needs no network', async () => {
    hub.fail({ match: /blobs/, cutAfter: 400_000, times: 5 });
    await failure();
    await writeFile(`${request.path}.part`, MODEL);
    const before = hub.requests.length;
    await download({ ...request, sha256: sha256Of(MODEL) });
    expect(hub.requests.length).toBe(before);
  });

  it('is interrupted by its signal, and keeps the received bytes', async () => {
    const stop = new AbortController();
    const onProgress = ({ received }: Progress) => received > 500_000 && stop.abort();
    const error = await failure({ signal: stop.signal, onProgress });
    expect(error).toBeInstanceOf(InterruptedError);
    expect(await files()).toEqual(['model.onnx.part', 'model.onnx.part.json']);
  });
});

describe('refusals', () => {
  it('a wrong hash is reported with the expected one, and the bytes are deleted', async () => {
    const error = await failure({ sha256: '0'.repeat(64) });
    expect(error).toBeInstanceOf(ModelError);
    expect(error.code).toBe('checksum/mismatch');
    expect(error.message).toContain('0'.repeat(64));
    expect(error.message).toContain(sha256Of(MODEL));
    expect(error.message).toContain(request.url);
    expect(await files()).toEqual([]);
  });

  it('a wrong integrity and a wrong size are reported', async () => {
    expect(await failure({ integrity: integrityOf(new Uint8Array(1)) })).toMatchObject({
      code: 'checksum/mismatch',
    });
    expect(await failure({ size: 17 })).toMatchObject({ code: 'checksum/size' });
    expect(await failure({ integrity: 'sha1-abc' })).toMatchObject({
      code: 'checksum/integrity',
      exitCode: 2,
    });
  });

  it('401 points to HF_TOKEN', async () => {
    hub.repos[REPO]!.token = 'hf_right';
    const error = await failure();
    expect(error).toMatchObject({ code: 'network/denied', details: { status: 401 } });
    expect(error.hint).toContain('HF_TOKEN');
    await download({ ...request, headers: { authorization: 'Bearer hf_right' } });
  });

  it('404 and other permanent statuses are reported', async () => {
    expect(await failure({ url: `${request.url}x` })).toMatchObject({ code: 'network/not-found' });
    hub.fail({ match: /blobs/, status: 451 });
    expect(await failure()).toMatchObject({ code: 'network/refused' });
    hub.fail({ match: /resolve/, status: 503, times: 5 });
    expect(await failure()).toMatchObject({ code: 'network/cut' });
  });

  it('a missing network is reported', async () => {
    const error = await failure({ url: 'http://127.0.0.1:9/x' });
    expect(error).toMatchObject({ code: 'network/unreachable' });
    expect(error.hint).toContain('HTTPS_PROXY');
    const unknown = await failure({ url: 'https://no-such-host.invalid/x' });
    expect(unknown).toMatchObject({ code: 'network/unreachable', details: { system: expect.any(String) } });
  });

  it('a folder that cannot be made is reported', async () => {
    await writeFile(join(folder, 'deep'), 'a file');
    expect(await failure()).toBeInstanceOf(DataError);
  });
});

describe('several at once', () => {
  it('in one process wait for one another', async () => {
    const four = await Promise.all([1, 2, 3, 4].map(() => download({ ...request, sha256: sha256Of(MODEL) })));
    expect(new Set(four.map(({ sha256 }) => sha256))).toEqual(new Set([sha256Of(MODEL)]));
    expect(cdnRequests()).toHaveLength(1);
    expect(await files()).toEqual(['model.onnx']);
  });

  it('remove the note of a process that was killed after its file was complete', async () => {
    await download({ ...request, sha256: sha256Of(MODEL) });
    await writeFile(`${request.path}.part.json`, '{}');
    await download({ ...request, sha256: sha256Of(MODEL) });
    expect(await files()).toEqual(['model.onnx']);
  });

  it('take over the lock of a process that was killed', async () => {
    hub.fail({ match: /blobs/, cutAfter: 600_000, times: 1000 });
    const child = startChild({ ...request, retryDelay: 60_000 });
    await until(async () => (await files()).includes('model.onnx.part.json'));
    const ended = new Promise((resolve) => child.on('close', resolve));
    child.kill('SIGKILL');
    await ended;
    expect(await files()).toContain('model.onnx.lock');
    hub.fail({ match: /blobs/, times: 1000 }); // The faults from before end.
    await download({ ...request, sha256: sha256Of(MODEL) });
    expect(await files()).toEqual(['model.onnx']);
  });
});

it('go through the proxy that the environment names', async () => {
  const proxy = await startProxy();
  vi.stubEnv('HTTP_PROXY', proxy.endpoint);
  vi.stubEnv('http_proxy', undefined);
  vi.stubEnv('NO_PROXY', new URL(hub.cdn).host);
  vi.stubEnv('no_proxy', undefined);
  vi.resetModules();
  const fresh = await import('./download.ts');
  await fresh.download({ ...request, sha256: sha256Of(MODEL) });
  expect(proxy.asked).toEqual([new URL(hub.endpoint).host]);
  proxy.close();
});

it('without an answer end after a time limit or at the signal, and can be repeated', async () => {
  const never = (_: unknown, init?: RequestInit) =>
    new Promise<Response>((_resolve, reject) => {
      init?.signal?.addEventListener('abort', () => reject(init.signal?.reason));
    });
  const failure = await inTime(never as Fetch, 20)('http://127.0.0.1/').catch((error) => error);
  expect(failure.message).toBe('no answer in 0.02 s');
  expect(isPassing(failure)).toBe(true);
  const stopped = inTime(never as Fetch, 60_000)('http://127.0.0.1/', { signal: AbortSignal.timeout(20) });
  await expect(stopped).rejects.toMatchObject({ name: 'TimeoutError' });
});

function startChild(child: DownloadRequest): ChildProcess {
  const program = `import { download } from ${JSON.stringify(pathToFileURL(built('src/store/download.ts')).href)};
await download(${JSON.stringify(child)});`;
  return spawn(process.execPath, ['--input-type=module', '-e', program], {
    stdio: 'ignore',
  });
}

async function until(condition: () => Promise<boolean>): Promise<void> {
  while (!(await condition())) await new Promise((resolve) => setTimeout(resolve, 20));
}
