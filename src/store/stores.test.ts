import { createHash, randomBytes } from 'node:crypto';
import { mkdir, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises';
import { createServer, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { ObjectStore } from './object-store.ts';
import { openStore } from './open-store.ts';
import { S3_SKIP, type S3Server, s3Program, startS3 } from './s3-server.fixture.ts';

const text = (bytes: Uint8Array) => new TextDecoder().decode(bytes);
const bytes = (content: string) => new TextEncoder().encode(content);
async function keysOf(store: ObjectStore, prefix?: string): Promise<string[]> {
  const keys: string[] = [];
  for await (const { key } of store.list(prefix)) keys.push(key);
  return keys;
}

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'tip-adapter-stores-'));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

/** Names that URLs, XML or the order of UTF-16 get wrong. */
const NAMES = [
  'a b+c.txt',
  'a%20b.txt',
  'a&<b>.txt',
  'a.txt',
  'a/b.txt',
  'a/é?#.txt',
  'a0.txt',
  '\ufb01.txt',
  '😀.txt',
];

function behaves(open: () => ObjectStore): void {
  it('lists what was put, in the order of the bytes of the keys', async () => {
    const store = open();
    for (const name of NAMES) expect(await store.put(name, bytes(name))).toBe('written');
    const sorted = NAMES.toSorted((a, b) => Buffer.compare(Buffer.from(a), Buffer.from(b)));
    expect(await keysOf(store)).toEqual(sorted);
    expect(await keysOf(store, 'a/')).toEqual(['a/b.txt', 'a/é?#.txt']);
    expect(await keysOf(store, 'a/b')).toEqual(['a/b.txt']);
    expect(await keysOf(store, 'nothing')).toEqual([]);
    for (const [i, after] of sorted.entries()) {
      const rest: string[] = [];
      for await (const { key } of store.list('', { after })) rest.push(key);
      expect(rest).toEqual(sorted.slice(i + 1));
    }
    for await (const { key, size, tag } of store.list()) {
      expect(await store.find(key)).toEqual({ key, size, tag });
      expect(text(await store.read(key, { tag }))).toBe(key);
    }
  });

  it('reads ranges, and refuses what has changed, is too short or is missing', async () => {
    const store = open();
    await store.put('range', bytes('0123456789'));
    const { tag } = (await store.find('range'))!;
    expect(text(await store.read('range', { range: { from: 2, to: 5 }, tag }))).toBe('234');
    expect(text(await store.read('range', { range: { from: 9, to: 10 } }))).toBe('9');
    expect(await store.read('range', { range: { from: 3, to: 3 } })).toHaveLength(0);
    await expect(store.read('range', { range: { from: 8, to: 12 } })).rejects.toMatchObject({
      code: 'store/incomplete',
    });
    await store.put('range', bytes('another'));
    await expect(store.read('range', { range: { from: 2, to: 5 }, tag })).rejects.toMatchObject({
      code: 'store/changed',
    });
    await store.remove('range');
    await store.remove('range');
    expect(await store.find('range')).toBeUndefined();
    await expect(store.read('range')).rejects.toMatchObject({ code: 'store/missing' });
  });

  it('lets one of several writers make an object', async () => {
    const store = open();
    const writers = Array.from({ length: 8 }, (_, n) =>
      store.put('once/only', bytes(`writer ${n}`), { onlyIfAbsent: true }),
    );
    const outcomes = await Promise.all(writers);
    expect(outcomes.filter((outcome) => outcome === 'written')).toHaveLength(1);
    const winner = outcomes.indexOf('written');
    expect(text(await store.read('once/only'))).toBe(`writer ${winner}`);
    expect(await store.put('once/only', bytes('later'), { onlyIfAbsent: true })).toBe('already there');
    expect(await keysOf(store, 'once/')).toEqual(['once/only']);
  });

  it('puts a file in parts, and only if absent', async () => {
    const store = open();
    const content = randomBytes(2 ** 24 + 5);
    const path = join(folder, 'large');
    await writeFile(path, content);
    expect(await store.put('large', { file: path }, { onlyIfAbsent: true })).toBe('written');
    expect(await store.put('large', { file: path }, { onlyIfAbsent: true })).toBe('already there');
    expect(await store.put('large', { file: path })).toBe('written');
    const sha256 = (data: Uint8Array) => createHash('sha256').update(data).digest('hex');
    expect(sha256(await store.read('large'))).toBe(sha256(content));
    await store.remove('large');
  });

  it('refuses keys that lead elsewhere', async () => {
    for (const key of ['../up', 'a//b', '/a', 'a/./b', ''])
      await expect((async () => open().read(key))()).rejects.toMatchObject({ code: 'store/key' });
  });
}

describe('a folder as a store', () => {
  behaves(() => openStore(join(folder, 'store')));

  it('follows links, and refuses a circle of them', async () => {
    const root = join(folder, 'links');
    await mkdir(join(root, 'inside'), { recursive: true });
    await writeFile(join(root, 'inside', 'a'), 'a');
    await symlink(join(root, 'inside'), join(root, 'other'));
    expect(await keysOf(openStore(root))).toEqual(['inside/a', 'other/a']);
    await symlink(root, join(root, 'inside', 'circle'));
    await expect(keysOf(openStore(root))).rejects.toMatchObject({ code: 'disk/loop' });
  });

  it('has no objects if it is not there', async () => {
    expect(await keysOf(openStore(join(folder, 'absent')))).toEqual([]);
  });
});

describe.skipIf(!s3Program)(`a bucket as a store${S3_SKIP}`, () => {
  let server: S3Server;
  beforeAll(async () => {
    server = await startS3();
    await server.createBucket('bucket');
  });
  afterAll(() => server.close());
  behaves(() => openStore('s3://bucket/deep/in side', { env: server.env }));
});

/** A server whose next answers are given in advance. */
class FaultyServer {
  readonly seen: { method?: string; url?: string; headers: Record<string, unknown> }[] = [];
  readonly answers: ((response: ServerResponse) => void)[] = [];
  readonly #server: Server = createServer((request, response) => {
    const { method, url, headers } = request;
    this.seen.push({ method, url, headers });
    request.resume().once('end', () => (this.answers.shift() ?? says(500))(response));
  });

  address = '';

  async start(): Promise<void> {
    await new Promise<void>((resolve) => this.#server.listen(0, '127.0.0.1', resolve));
    this.address = `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  close(): void {
    this.#server.closeAllConnections();
    this.#server.close();
  }
}

const says =
  (status: number, body = '', headers = {}) =>
  (response: ServerResponse) =>
    response.writeHead(status, headers).end(body);

describe('a store with faults', () => {
  const server = new FaultyServer();
  let store: ObjectStore;
  const secrets = { AWS_ACCESS_KEY_ID: 'the-key', AWS_SECRET_ACCESS_KEY: 'the-secret' };
  beforeAll(async () => {
    await server.start();
    const env = { ...secrets, AWS_ENDPOINT_URL: server.address };
    store = openStore('s3://bucket', { env, retryDelay: 1 });
  });
  afterAll(() => server.close());

  const half = (response: ServerResponse) => {
    response.writeHead(200, { 'content-length': 10 }).write('01234', () => response.destroy());
  };

  it('is asked again after 503, 429, a broken connection and half a body', async () => {
    server.answers.push(
      says(503),
      says(429),
      (response) => response.destroy(),
      half,
      says(200, '0123456789'),
    );
    expect(text(await store.read('object'))).toBe('0123456789');
    expect(server.answers).toHaveLength(0);
  });

  it('is given up after five failures, with its error and without secrets', async () => {
    const error = '<Error><Code>SlowDown</Code><Message>Reduce your rate</Message></Error>';
    server.answers.push(...Array.from({ length: 5 }, () => says(503, error)));
    const failure = await store.put('object', bytes('x')).catch((caught) => caught);
    expect(failure.code).toBe('store/refused');
    expect(failure.message).toContain(
      '/bucket/object answered PUT with status 503 (SlowDown: Reduce your rate)',
    );
    expect(JSON.stringify([failure.message, failure.hint, failure.details])).not.toMatch(
      /the-key|the-secret/,
    );
    server.answers.push(half, half, half, half, half);
    await expect(store.read('object')).rejects.toMatchObject({ code: 'store/unreachable' });
  });

  it('may have kept a put whose answer was lost', async () => {
    server.answers.push((response) => response.destroy(), says(412));
    expect(await store.put('object', bytes('x'), { onlyIfAbsent: true })).toBe('already there');
    server.answers.push(says(409), says(200));
    expect(await store.put('object', bytes('x'), { onlyIfAbsent: true })).toBe('written');
  });

  it('has another clock', async () => {
    const skewed = '<Error><Code>RequestTimeTooSkewed</Code><Message>too skewed</Message></Error>';
    server.answers.push(
      says(403, skewed, { date: 'Tue, 01 Jan 2030 00:00:00 GMT' }),
      says(200, 'content'),
      says(403, skewed, { date: 'Tue, 01 Jan 2030 00:00:00 GMT' }),
    );
    expect(text(await store.read('object'))).toBe('content');
    expect(server.seen.at(-1)?.headers['x-amz-date']).toMatch(/^20300101T0000/);
    await expect(store.read('object')).rejects.toMatchObject({ code: 'store/denied' });
  });

  it('is in another region, denies access, or sends no ranges', async () => {
    server.answers.push(
      says(301, '', { 'x-amz-bucket-region': 'eu-west-1' }),
      says(403),
      says(200, '0123456789'),
    );
    await expect(store.read('a')).rejects.toMatchObject({
      code: 'store/region',
      hint: 'Set AWS_REGION=eu-west-1.',
    });
    await expect(store.read('a')).rejects.toMatchObject({ code: 'store/denied' });
    await expect(store.read('a', { range: { from: 1, to: 2 } })).rejects.toMatchObject({
      code: 'store/refused',
    });
  });

  it('is listed page by page', async () => {
    const page = (key: string, rest: string) =>
      `<ListBucketResult><Contents><Key>${key}</Key><Size>1</Size></Contents>${rest}</ListBucketResult>`;
    const more = '<IsTruncated>true</IsTruncated><NextContinuationToken>a+b/=</NextContinuationToken>';
    server.answers.push(says(200, page('first', more)), says(200, page('second', '')));
    expect(await keysOf(store)).toEqual(['first', 'second']);
    expect(server.seen.at(-1)?.url).toContain('continuation-token=a%2Bb%2F%3D');
    server.answers.push(says(200, page('first', '<IsTruncated>true</IsTruncated>')));
    await expect(keysOf(store)).rejects.toMatchObject({ code: 'store/refused' });
  });

  it('sends something that is not a list', async () => {
    server.answers.push(says(200, '<html></html>'));
    await expect(keysOf(store)).rejects.toMatchObject({ code: 'store/refused' });
  });

  it('fails when the parts of a file are joined, and the parts are removed', async () => {
    const path = join(folder, 'parts');
    await writeFile(path, Buffer.alloc(2 ** 24 + 1));
    server.seen.length = 0;
    server.answers.push(
      says(200, '<InitiateMultipartUploadResult><UploadId>id</UploadId></InitiateMultipartUploadResult>'),
      says(200, '', { etag: '"1"' }),
      says(200, '', { etag: '"2"' }),
      says(200, '<Error><Code>InternalError</Code></Error>'),
      says(204),
    );
    await expect(store.put('object', { file: path })).rejects.toMatchObject({ code: 'store/refused' });
    expect(server.seen.map(({ method, url }) => `${method} ${url}`)).toEqual([
      'POST /bucket/object?uploads=',
      'PUT /bucket/object?partNumber=1&uploadId=id',
      'PUT /bucket/object?partNumber=2&uploadId=id',
      'POST /bucket/object?uploadId=id',
      'DELETE /bucket/object?uploadId=id',
    ]);
  });

  it('can be on the web: a list of addresses, for reading', async () => {
    const web = openStore(`${server.address}/sets/list.txt?signature=secret`, { retryDelay: 1 });
    expect(web.address).toBe(`${server.address}/sets/list.txt`);
    server.answers.push(
      says(200, '# photos\na.jpg\n\nhttps://other.example/b.jpg\r\n'),
      says(200, 'picture'),
    );
    expect(await keysOf(web)).toEqual(['a.jpg', 'https://other.example/b.jpg']);
    expect(text(await web.read('a.jpg'))).toBe('picture');
    expect(server.seen.at(-1)).toMatchObject({ method: 'GET', url: '/sets/a.jpg' });
    server.answers.push(says(200, '', { 'content-length': 7, etag: '"tag"' }), says(404));
    expect(await web.find('a.jpg')).toEqual({ key: 'a.jpg', size: 7, tag: '"tag"' });
    expect(await web.find('b.jpg')).toBeUndefined();
    await expect(web.put('a', bytes(''))).rejects.toMatchObject({ code: 'store/read-only' });
    await expect(keysOf(openStore(`${server.address}/sets/`))).rejects.toMatchObject({
      code: 'store/no-list',
    });
  });
});

describe('the address of a store', () => {
  it.each([
    ['s3://key:secret@bucket/x', {}, 'store/address'],
    ['https://user:secret@host/x', {}, 'store/address'],
    ['ftp://host/x', {}, 'store/address'],
    ['s3://bucket', { AWS_ACCESS_KEY_ID: 'secret' }, 'store/credentials'],
    ['s3://bucket', { AWS_ENDPOINT_URL: 'https://user:secret@host' }, 'store/address'],
  ])('%s is refused without its secrets', (address, env, code) => {
    const open = () => openStore(address, { env });
    expect(open).toThrow(expect.objectContaining({ code }));
    expect(open).not.toThrow(/secret/);
  });
});
