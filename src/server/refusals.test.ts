import sharp from 'sharp';
import { beforeAll, describe, expect, it, vi } from 'vitest';
import { threadClock } from '../../tests/thread-clock.ts';
import { checkExposure } from './security.ts';
import {
  type Answer,
  fittedAnimals,
  form,
  PREDICT,
  png,
  post,
  raw,
  type Served,
  serve,
} from './serve.fixture.ts';

const animals = fittedAnimals();
const TOKEN = 'a-token-that-is-long-enough';

describe('who may ask', () => {
  it('needs a long token for other machines', () => {
    expect(() => checkExposure('0.0.0.0')).toThrow(expect.objectContaining({ code: 'server/token' }));
    expect(() => checkExposure('127.0.0.1', 'short')).toThrow(
      expect.objectContaining({ code: 'server/weak-token' }),
    );
    expect(() => checkExposure('0.0.0.0', 'a long token with blanks')).toThrow(
      expect.objectContaining({ code: 'server/weak-token' }),
    );
    checkExposure('0.0.0.0', TOKEN);
    checkExposure('::1');
  });

  it('must send the token, and an allowed host name and origin', async () => {
    const server = await serve({
      models: [await animals.copy('guarded')],
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
    const preflight = await fetch(`${server.address}/v1/models`, {
      method: 'OPTIONS',
      headers: { origin: 'https://ours.example', 'access-control-request-method': 'DELETE' },
    });
    expect([preflight.status, preflight.headers.get('access-control-allow-methods')]).toEqual([
      204,
      expect.stringContaining('DELETE'),
    ]);
    expect(JSON.stringify(server.told)).not.toContain(TOKEN);
  });

  it('gets no CORS header by default, and changes nothing on a read-only server', async () => {
    const server = await serve({ models: [await animals.copy('read')], readOnly: true });
    const { headers } = await server.ask('/v1/models', { headers: { origin: server.address } });
    expect([...headers.keys()].filter((name) => name.startsWith('access-control'))).toEqual([]);
    const { status, json } = await server.ask('/v1/models/animals/classes?name=cat', { method: 'DELETE' });
    expect([status, json.code]).toEqual([403, 'server/read-only']);
    expect((await server.ask(PREDICT, png(animals.cat))).status).toBe(200);
  });
});

describe('bad input', () => {
  let server: Served;
  beforeAll(async () => {
    server = await serve({
      models: [await animals.copy('bad')],
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
  it('is named in the error', async () => {
    const huge = await sharp({ create: { width: 2000, height: 2000, channels: 3, background: 'red' } })
      .png()
      .toBuffer();
    expect(await refused(png(huge))).toEqual([413, 'image/too-large']);
    expect(await refused(png(animals.cat.subarray(0, -40)))).toEqual([422, 'image/truncated']);
    expect(await refused(png(Buffer.from('no picture')))).toEqual([422, 'image/not-an-image']);
    expect(await refused(png(Buffer.alloc(2 ** 20 + 1)))).toEqual([413, 'server/too-large']);
    expect(await refused(png(Buffer.alloc(0)))).toEqual([400, 'server/no-picture']);
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
    expect(
      await refused({
        method: 'POST',
        body: form(Object.fromEntries([...'abcde'].map((name) => [name, animals.cat]))),
      }),
    ).toEqual([413, 'server/too-many']);
    expect(await refused(png(animals.cat), '?tpo=1')).toEqual([400, 'server/request']);
    const queries = ['top=0', 'top=0x5', 'top=1e3', 'top=', 'top=%205', 'reject=', 'reject=2'];
    for (const query of queries) {
      const { status, json } = await server.ask(`${PREDICT}?${query}`, png(animals.cat));
      expect([query, status, json.detail]).toEqual([
        query,
        400,
        expect.stringContaining(query.split('=')[0]!),
      ]);
    }
    const teach = '/v1/models/animals/examples';
    for (const query of ['label=%ff%fe', 'label=%ed%a0%80', 'label=%zz', 'label=cat&version=']) {
      const { status, json } = await server.ask(`${teach}?${query}`, png(animals.cat));
      expect([query, status, json.code]).toEqual([query, 400, 'server/request']);
    }
    expect(await refused({ method: 'PUT', body: 'x' })).toEqual([405, 'server/method']);
    for (const path of ['/healthz', '/readyz', '/metrics', '/openapi.json', '/v1/models']) {
      const { status, headers } = await server.ask(path, { method: 'POST' });
      expect([path, status, headers.get('allow')]).toEqual([path, 405, 'GET, HEAD']);
      expect((await fetch(`${server.address}${path}`, { method: 'HEAD' })).status).toBe(200);
    }
    expect(
      await refused({
        ...png(animals.cat),
        headers: { 'content-type': 'image/png', 'content-encoding': 'gzip' },
      }),
    ).toEqual([415, 'server/encoding']);
  });

  it('is refused only if it is bad', async () => {
    const headers = { 'content-type': 'image/png', 'content-encoding': 'Identity' };
    const { status } = await server.ask(`${PREDICT}?top=2&reject=.5`, { ...png(animals.cat), headers });
    expect(status).toBe(200);
    const long = form({ [`${'x'.repeat(254)}😀`]: animals.cat, b: animals.cat });
    const { json } = await server.ask(PREDICT, { method: 'POST', body: long });
    expect(json.predictions[0].image).toBe('x'.repeat(254));
    const hosts = ['[::ffff:127.0.0.1]', '[::ffff:127.0.0.1]:8080', '[::1]', '[0:0:0:0:0:0:0:1]:9000'];
    for (const host of hosts) {
      const answer = await raw(
        server.address,
        `GET /healthz HTTP/1.1\r\nhost: ${host}\r\nconnection: close\r\n\r\n`,
      );
      expect([host, answer.slice(0, 12)]).toEqual([host, 'HTTP/1.1 200']);
    }
  });

  it('that would take long to parse is refused before parsing', async () => {
    const json = [
      '['.repeat(1e6),
      `{"pictures":[${'{},'.repeat(9e4)}{}]}`,
      `{"pictures":[${'1,'.repeat(4e5)}1]}`,
      '{"a":'.repeat(2e5),
    ];
    for (const body of json) {
      expect(await refused(post('application/json', body))).toEqual([413, 'server/too-many']);
    }
    const keys = Array.from({ length: 9999 }, (_, i) => `"key ${i}":1`);
    const answer = await server.ask(PREDICT, post('application/json', `{${keys}}`));
    expect(JSON.stringify(answer.json).length).toBeLessThan(1000);
  });

  it('is only a name if it looks like a path', async () => {
    const name = '../../etc/passwd\u0000\n.png';
    const { json } = await server.ask(
      PREDICT,
      post('application/json', JSON.stringify({ pictures: [{ data: '/etc/passwd', name }] })),
    );
    expect(json.code).toBe('image/not-an-image');
    const data = animals.cat.toString('base64');
    const named = post('application/json', JSON.stringify({ pictures: [{ data, name }] }));
    expect((await server.ask(PREDICT, named)).json.predictions[0].image).toBe('../../etc/passwd.png');
  });

  it('does not affect good input beside it', async () => {
    const { status, json } = await server.ask(PREDICT, {
      method: 'POST',
      body: form({ a: animals.cat, b: Buffer.from('x'), c: animals.cat }),
    });
    expect(status).toBe(200);
    expect(json.predictions.map((one: Answer) => one.problem?.code ?? one.name)).toEqual([
      animals.answer,
      'image/not-an-image',
      animals.answer,
    ]);
  });

  it('that comes slowly or not at all is ended', async () => {
    const started = threadClock();
    const head = `POST ${PREDICT} HTTP/1.1\r\nhost: 127.0.0.1\r\ncontent-type: image/png\r\n`;
    const requests = {
      'GET /healthz HTTP/1.1\r\nhost: 127.0.0.1\r\n': 408,
      [`${head}content-length: 1000\r\n\r\nabc`]: 408,
      [`${head}transfer-encoding: chunked\r\n\r\n5\r\nabc`]: 408,
      'what?\r\n\r\n': 400,
      'GET /healthz HTTP/1.0\r\n\r\n': 400,
      'GET /healthz HTTP/1.1\r\nhost: a b\r\n\r\n': 400,
      [`GET /healthz HTTP/1.1\r\nx: ${'y'.repeat(20_000)}\r\n\r\n`]: 431,
      'GET /healthz HTTP/1.1\r\nhost: localhost\r\nexpect: foo\r\n\r\n': 417,
      'CONNECT localhost:80 HTTP/1.1\r\nhost: localhost\r\n\r\n': 501,
    };
    await Promise.all(
      Object.entries(requests).map(async ([request, status]) => {
        const answer = await raw(server.address, request);
        expect(answer).toMatch(new RegExp(`^HTTP/1.1 ${status} .*application/problem\\+json`, 's'));
        const problem = JSON.parse(/\{.*\}/s.exec(answer)?.[0] ?? '');
        const code = status === 501 ? 'server/method' : 'server/http';
        expect(problem).toMatchObject({ status, code, hint: expect.stringMatching(/\.$/) });
        const [, id] = /x-request-id: (\S+)/.exec(answer) ?? [];
        expect(problem.requestId).toBe(id);
        expect(server.told.map((line) => line.id)).toContain(id);
      }),
    );
    expect(server.told.filter(({ event }) => event === 'broken-request')).toHaveLength(9);
    expect(threadClock() - started).toBeLessThan(5000);
    await vi.waitFor(async () => {
      const metrics = await (await fetch(`${server.address}/metrics`)).text();
      expect(metrics).toMatch(/^tip_adapter_queue_bytes 0$/m);
      expect(metrics).toMatch(/^tip_adapter_queue_pictures 0$/m);
    });
  });
});
