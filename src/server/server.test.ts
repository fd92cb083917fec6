import { readFile, rename, writeFile } from 'node:fs/promises';
import { connect } from 'node:net';
import sharp from 'sharp';
import { beforeAll, describe, expect, it, vi } from 'vitest';
import { picture, workspace } from '../classifier/fake-encoder.fixture.ts';
import { load } from '../classifier/index.ts';
import { checkExposure } from './security.ts';
import { type Answer, fitAnimals, form, jpeg, type Served, serve, slowEncoder } from './serve.fixture.ts';

vi.mock('../image/loader.ts', async (original) =>
  (await import('../classifier/fake-encoder.fixture.ts')).sharedThreads(original),
);

const at = workspace();
const TOKEN = 'a-token-that-is-long-enough';
const PREDICT = '/v1/models/animals/predict';
let file: Buffer;
let cat: Buffer;
/** The library's own answer to it. */
let answer: string;

beforeAll(async () => {
  const classifier = await fitAnimals(at('data'), at('animals.safetensors'));
  file = await readFile(at('animals.safetensors'));
  cat = await picture('cat', 7);
  answer = (await classifier.predict([cat])).predictions[0].name;
});

/** A copy of the classifier's file, for tests that change it. */
async function copy(name: string) {
  await writeFile(at(name), file);
  return { name: 'animals', path: at(name) };
}

/** Sends text over a socket and resolves with all that comes back until it is closed. */
function raw(address: string, text: string): Promise<string> {
  const { hostname, port } = new URL(address);
  return new Promise((resolve, reject) => {
    let received = '';
    const socket = connect(Number(port), hostname, () => socket.write(text));
    socket.on('data', (data) => {
      received += data;
    });
    socket.on('close', () => resolve(received)).on('error', reject);
  });
}

describe('changes', () => {
  let server: Served;
  let path: string;
  beforeAll(async () => {
    const model = await copy('changed.safetensors');
    path = model.path;
    server = await serve({ models: [model], pollInterval: 50 });
  });
  const change = (query: string, init: RequestInit) => server.ask(`/v1/models/animals/${query}`, init);

  it('are on the disk when they answer, and raise the version', async () => {
    const added = await change('examples?label=owl&version=1', {
      method: 'POST',
      body: form({ 'owl.png': await picture('owl', 1) }),
    });
    expect([added.status, added.json.added]).toEqual([200, ['owl.png']]);
    expect(added.headers.get('etag')).toBe(added.json.model.etag);
    const saved = await load(path);
    expect([saved.data.version, saved.data.classes.map(({ id }) => id)]).toEqual([
      2,
      ['cat', 'dog', 'fox', 'owl'],
    ]);
    const named = await change('classes', {
      ...jpeg(new Uint8Array()),
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ name: '<script>alert(1)</script>' }),
    });
    expect([named.status, named.json.model.classes.length]).toEqual([200, 5]);
    const gone = await change('classes?name=owl&name=%3Cscript%3Ealert(1)%3C%2Fscript%3E', {
      method: 'DELETE',
    });
    expect([gone.status, gone.json.model.version]).toEqual([200, 4]);
    const example = await change('examples?id=cat%2F0.png', { method: 'DELETE' });
    expect([example.status, example.json.model.examples]).toEqual([200, 8]);
  });

  it('of another version are refused and change nothing', async () => {
    const before = await readFile(path);
    const stale = await change('classes?name=fox&version=1', { method: 'DELETE' });
    expect([stale.status, stale.json.code]).toEqual([409, 'server/version']);
    const other = await change('classes?name=fox', { method: 'DELETE', headers: { 'if-match': '"1-0"' } });
    expect([other.status, other.json.code]).toEqual([412, 'server/etag']);
    expect(await readFile(path)).toEqual(before);
  });

  it('by other programs are taken over; a broken file is not, and is told', async () => {
    await writeFile(`${path}.new`, file);
    await rename(`${path}.new`, path);
    const version = async () => (await server.ask('/v1/models/animals')).json.version;
    await vi.waitFor(async () => expect(await version()).toBe(1), 5000);
    await writeFile(path, file.subarray(0, 500));
    await vi.waitFor(async () => {
      const { json } = await server.ask('/v1/models/animals');
      expect(json.problem?.code).toBe('classifier/damaged');
    }, 5000);
    expect((await server.ask(PREDICT, jpeg(cat))).status).toBe(200);
    expect((await change('classes?name=fox', { method: 'DELETE' })).status).toBe(500);
    await writeFile(path, file);
    await vi.waitFor(
      async () => expect((await server.ask('/v1/models/animals')).json.problem).toBeUndefined(),
      5000,
    );
  });
});

describe('who may ask', () => {
  it('needs a token beyond this machine, and not a short one', () => {
    expect(() => checkExposure('0.0.0.0')).toThrow(expect.objectContaining({ code: 'server/token' }));
    expect(() => checkExposure('127.0.0.1', 'short')).toThrow(
      expect.objectContaining({ code: 'server/weak-token' }),
    );
    checkExposure('0.0.0.0', TOKEN);
    checkExposure('::1');
  });

  it('sends the token, under a name and from an origin that are allowed', async () => {
    const server = await serve({
      models: [await copy('guarded.safetensors')],
      token: TOKEN,
      cors: ['https://ours.example'],
    });
    const status = async (headers: Record<string, string>, path = '/v1/models') => {
      const lines = Object.entries({ host: '127.0.0.1', ...headers }).map(
        ([name, value]) => `${name}: ${value}`,
      );
      const answer = await raw(
        server.address,
        `GET ${path} HTTP/1.1\r\nconnection: close\r\n${lines.join('\r\n')}\r\n\r\n`,
      );
      expect(answer).toMatch(/content-security-policy: default-src 'none'/);
      return Number(answer.split(' ')[1]);
    };
    const authorization = `Bearer ${TOKEN}`;
    expect(await status({})).toBe(401);
    expect(await status({ authorization: `Bearer ${TOKEN}x` })).toBe(401);
    expect(await status({ authorization })).toBe(200);
    expect(await status({}, '/healthz')).toBe(200);
    expect(await status({}, '/metrics')).toBe(401);
    expect(await status({ authorization, host: 'evil.example' })).toBe(421);
    expect(await status({ authorization, origin: 'https://evil.example' })).toBe(403);
    expect(await status({ authorization, 'sec-fetch-site': 'cross-site' })).toBe(403);
    expect(await status({ authorization, origin: 'https://ours.example' })).toBe(200);
    for (const path of [
      '/v1/models/..%2f..%2fetc%2fpasswd',
      '/v1/models/%00',
      '/../../etc/passwd',
      '/v1/models/__proto__',
    ])
      expect(await status({ authorization }, path)).toBe(404);
    const crossed = await fetch(`${server.address}/nothing`, { headers: { origin: 'https://ours.example' } });
    expect([crossed.status, crossed.headers.get('access-control-allow-origin')]).toEqual([
      401,
      'https://ours.example',
    ]);
    expect(JSON.stringify(server.told)).not.toContain(TOKEN);
  });
});

describe('bad input', () => {
  let server: Served;
  beforeAll(async () => {
    server = await serve({
      models: [await copy('bad.safetensors')],
      maxBody: 1,
      maxPictures: 4,
      maxMegapixels: 1,
      headersTimeout: 400,
      requestTimeout: 800,
    });
  });
  const refused = async (init: RequestInit, query = '') => {
    const { status, json, headers } = await server.ask(`${PREDICT}${query}`, init);
    expect(headers.get('content-type')).toBe('application/problem+json');
    expect(json).toMatchObject({ status, requestId: headers.get('x-request-id') });
    return [status, json.code];
  };
  const post = (type: string, body: string): RequestInit => ({
    method: 'POST',
    headers: { 'content-type': type },
    body,
  });

  it('is named', async () => {
    const huge = await sharp({ create: { width: 2000, height: 2000, channels: 3, background: 'red' } })
      .png()
      .toBuffer();
    expect(await refused(jpeg(huge))).toEqual([413, 'image/too-large']);
    expect(await refused(jpeg(cat.subarray(0, cat.length - 40)))).toEqual([422, 'image/truncated']);
    expect(await refused(jpeg(Buffer.from('no picture')))).toEqual([422, 'image/not-an-image']);
    expect(await refused(jpeg(Buffer.alloc(2 ** 20 + 1)))).toEqual([413, 'server/too-large']);
    expect(await refused(jpeg(Buffer.alloc(0)))).toEqual([400, 'server/no-picture']);
    expect(await refused(post('text/plain', 'x'))).toEqual([415, 'server/type']);
    expect(await refused(post('application/json', '{'))).toEqual([400, 'server/json']);
    expect(await refused(post('application/json', '{"pictures":[{"data":"***"}]}'))).toEqual([
      400,
      'server/base64',
    ]);
    expect(await refused(post('application/json', '{"pictures":[{"url":"http://x"}]}'))).toEqual([
      400,
      'server/request',
    ]);
    expect(await refused(post('multipart/form-data; boundary=x', '--x\r\nhalf'))).toEqual([
      400,
      'server/form',
    ]);
    expect(await refused({ method: 'POST', body: form({ a: cat, b: cat, c: cat, d: cat, e: cat }) })).toEqual(
      [413, 'server/too-many'],
    );
    expect(await refused(jpeg(cat), '?tpo=1')).toEqual([400, 'server/request']);
    expect(await refused(jpeg(cat), '?top=0')).toEqual([400, 'server/request']);
    expect(await refused({ method: 'PUT', body: 'x' })).toEqual([405, 'server/method']);
    expect(
      await refused({ ...jpeg(cat), headers: { 'content-type': 'image/png', 'content-encoding': 'gzip' } }),
    ).toEqual([415, 'server/encoding']);
  });

  it('beside good input takes nothing from it', async () => {
    const { status, json } = await server.ask(PREDICT, {
      method: 'POST',
      body: form({ a: cat, b: Buffer.from('x'), c: cat }),
    });
    expect(status).toBe(200);
    expect(json.predictions.map((one: Answer) => one.problem?.code ?? one.name)).toEqual([
      answer,
      'image/not-an-image',
      answer,
    ]);
  });

  it('that comes slowly or not at all is ended', async () => {
    const started = performance.now();
    const [headers, body, nonsense] = await Promise.all([
      raw(server.address, 'GET /healthz HTTP/1.1\r\nhost: 127.0.0.1\r\n'),
      raw(
        server.address,
        `POST ${PREDICT} HTTP/1.1\r\nhost: 127.0.0.1\r\ncontent-type: image/png\r\ncontent-length: 1000\r\n\r\nabc`,
      ),
      raw(server.address, 'what?\r\n\r\n'),
    ]);
    expect(headers).toMatch(/^HTTP\/1.1 408 .*application\/problem\+json/s);
    expect(body).toMatch(/^HTTP\/1.1 408 /);
    expect(nonsense).toMatch(/^HTTP\/1.1 400 /);
    expect(performance.now() - started).toBeLessThan(5000);
    await vi.waitFor(async () => {
      const metrics = await (await fetch(`${server.address}/metrics`)).text();
      expect(metrics).toMatch(/^tip_adapter_queue_bytes 0$/m);
      expect(metrics).toMatch(/^tip_adapter_queue_pictures 0$/m);
    });
  });
});

describe('load', () => {
  it('of ten times what can be done: some are answered in time, in batches; the rest are refused at once', async () => {
    const encoder = slowEncoder(30);
    const server = await serve({
      models: [await copy('loaded.safetensors')],
      queue: 16,
      openEncoder: async () => encoder,
    });
    const asked = await Promise.all(
      Array.from({ length: 160 }, async () => {
        const started = performance.now();
        const { status, headers } = await server.ask(PREDICT, jpeg(cat));
        return { status, retry: headers.get('retry-after'), took: performance.now() - started };
      }),
    );
    const answered = asked.filter(({ status }) => status === 200);
    const refused = asked.filter(({ status }) => status === 503);
    expect(answered.length).toBeGreaterThanOrEqual(16);
    expect(answered.length + refused.length).toBe(160);
    expect(refused.every(({ retry }) => Number(retry) >= 1)).toBe(true);
    expect(Math.max(...asked.map(({ took }) => took))).toBeLessThan(5000);
    expect(Math.max(...encoder.batches)).toBeGreaterThan(2);
    expect((await server.ask(PREDICT, jpeg(cat))).status).toBe(200);
  });

  it('ends at the deadline, and when the client goes', async () => {
    const server = await serve({
      models: [await copy('late.safetensors')],
      openEncoder: async () => slowEncoder(300),
    });
    const late = await server.ask(PREDICT, {
      ...jpeg(cat),
      headers: { 'content-type': 'image/png', 'x-deadline-ms': '20' },
    });
    expect([late.status, late.json.code]).toEqual([504, 'server/deadline']);
    await expect(
      fetch(`${server.address}${PREDICT}`, { ...jpeg(cat), signal: AbortSignal.timeout(50) }),
    ).rejects.toThrow();
    await vi.waitFor(() => expect(server.told.map(({ status }) => status)).toContain(499));
  });

  it('is finished when the server closes', async () => {
    const server = await serve({
      models: [await copy('closed.safetensors')],
      openEncoder: async () => slowEncoder(200),
    });
    const under = server.ask(PREDICT, jpeg(cat));
    await new Promise((resolve) => setTimeout(resolve, 100));
    await server.close();
    expect((await under).status).toBe(200);
    await expect(fetch(server.address)).rejects.toThrow();
  });
});

describe('the OpenAPI document', () => {
  it('has every route, and all that it refers to', async () => {
    const server = await serve({ models: [await copy('open.safetensors')] });
    const { json } = await server.ask('/openapi.json');
    expect(json.openapi).toBe('3.1.0');
    expect(Object.keys(json.paths)).toContain('/v1/models/{model}/predict');
    for (const [, name] of JSON.stringify(json).matchAll(/#\/components\/schemas\/(\w+)/g)) {
      expect(json.components.schemas).toHaveProperty(name);
    }
  });
});
