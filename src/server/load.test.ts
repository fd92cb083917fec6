import { connect } from 'node:net';
import { describe, expect, it, vi } from 'vitest';
import { fakeEncoder } from '../classifier/fake-encoder.fixture.ts';
import { fittedAnimals, PREDICT, png, raw, serve, slowEncoder } from './serve.fixture.ts';

const animals = fittedAnimals();

describe('load', () => {
  it('of ten times the capacity is answered in part, in time and in batches, and otherwise refused at once', async () => {
    const encoder = slowEncoder(30);
    const server = await serve({
      models: [await animals.copy('loaded')],
      queue: 16,
      openEncoder: async () => encoder,
    });
    const asked = await Promise.all(
      Array.from({ length: 160 }, async () => {
        const { status, headers } = await server.ask(PREDICT, png(animals.cat));
        return { status, retry: headers.get('retry-after') };
      }),
    );
    const answered = asked.filter(({ status }) => status === 200);
    const refused = asked.filter(({ status }) => status === 503);
    expect(answered.length).toBeGreaterThanOrEqual(16);
    expect(answered.length + refused.length).toBe(160);
    expect(refused.every(({ retry }) => Number(retry) >= 1)).toBe(true);
    expect(Math.max(...encoder.batches)).toBeGreaterThan(2);
    expect((await server.ask(PREDICT, png(animals.cat))).status).toBe(200);
  });

  it('ends at the deadline, and when the client closes the connection', async () => {
    const encoder = slowEncoder(300);
    const server = await serve({ models: [await animals.copy('late')], openEncoder: async () => encoder });
    const late = await server.ask(PREDICT, {
      ...png(animals.cat),
      headers: { 'content-type': 'image/png', 'x-deadline-ms': '20' },
    });
    expect([late.status, late.json.code]).toEqual([504, 'server/deadline']);
    const leaving = new AbortController();
    const begun = encoder.batches.length;
    const left = fetch(`${server.address}${PREDICT}`, { ...png(animals.cat), signal: leaving.signal });
    await vi.waitFor(() => expect(encoder.batches.length).toBeGreaterThan(begun), 10_000);
    leaving.abort();
    await expect(left).rejects.toThrow();
    await vi.waitFor(() => expect(server.told.map(({ status }) => status)).toContain(499), 10_000);
  });

  it('of clients that stopped waiting leaves the queue, and is not embedded', async () => {
    const encoder = slowEncoder(400);
    const server = await serve({ models: [await animals.copy('left')], openEncoder: async () => encoder });
    const impatient = {
      ...png(animals.cat),
      headers: { 'content-type': 'image/png', 'x-deadline-ms': '60' },
    };
    const asked = await Promise.all(Array.from({ length: 40 }, () => server.ask(PREDICT, impatient)));
    expect(asked.every(({ status }) => status === 504)).toBe(true);
    const metrics = await (await fetch(`${server.address}/metrics`)).text();
    expect(metrics).toMatch(/^tip_adapter_queue_pictures 0$/m);
    await new Promise((resolve) => setTimeout(resolve, 500));
    // The blank picture at the start, and the batches that were already running.
    expect(encoder.batches.reduce((sum, size) => sum + size, 0)).toBeLessThan(20);
  });

  it('that breaks the encoder gets 500, the log says why, and the next is answered', async () => {
    const encoder = fakeEncoder();
    let calls = 0;
    const breaking = {
      ...encoder,
      embedImages: async (...given: Parameters<typeof encoder.embedImages>) => {
        if (++calls === 2) throw new Error('/secret/path is broken');
        return encoder.embedImages(...given);
      },
    };
    const server = await serve({ models: [await animals.copy('broken')], openEncoder: async () => breaking });
    const { status, json } = await server.ask(PREDICT, png(animals.cat));
    expect([status, json.code]).toEqual([500, 'unexpected']);
    expect(JSON.stringify(json)).not.toContain('secret');
    expect(server.told.at(-1)).toMatchObject({
      level: 'error',
      id: json.requestId,
      error: '/secret/path is broken',
      stack: expect.stringContaining('load.test.ts'),
    });
    expect((await server.ask(PREDICT, png(animals.cat))).status).toBe(200);
  });

  it('of a client that does not read is dropped', async () => {
    const server = await serve({
      models: [await animals.copy('unread')],
      deadline: 0.2,
      changeDeadline: 0.2,
      requestTimeout: 500,
      headersTimeout: 500,
    });
    const { hostname, port } = new URL(server.address);
    const socket = connect(Number(port), hostname).on('error', () => {});
    socket.pause();
    const answered = () => server.told.filter(({ event }) => event === 'request').length;
    // Sends until the system's buffers are full. An answer then waits in the server, and all requests behind it.
    let sent = 0;
    for (const stuck = { is: false }; !stuck.is; ) {
      socket.write('GET /openapi.json HTTP/1.1\r\nhost: 127.0.0.1\r\n\r\n'.repeat(8));
      sent += 8;
      await vi
        .waitFor(() => expect(answered()).toBe(sent), 500)
        .catch(() => {
          stuck.is = true;
        });
    }
    expect(sent - answered()).toBeGreaterThan(0);
    await new Promise((resolve) => setTimeout(resolve, 1500));
    socket.resume();
    await new Promise((resolve) => socket.once('close', resolve));
    expect(answered()).toBeLessThan(sent);
  });

  it('of one connection is answered in order, one request after the other', async () => {
    const encoder = slowEncoder(30);
    const server = await serve({ models: [await animals.copy('piped')], openEncoder: async () => encoder });
    const body = animals.cat.toString('latin1');
    const host = 'HTTP/1.1\r\nhost: 127.0.0.1\r\n';
    const predict = `POST ${PREDICT} ${host}content-type: image/png\r\ncontent-length: ${body.length}\r\n\r\n${body}`;
    const twice = `${predict}GET /healthz ${host}\r\n`;
    const text = `${twice.repeat(5)}GET /healthz ${host}connection: close\r\n\r\n`;
    const answers = await raw(server.address, Buffer.from(text, 'latin1'));
    const order = [...answers.matchAll(/"predictions"|"status":"ok"/g)].map(([found]) => found);
    expect(order).toEqual([...Array(5).fill(['"predictions"', '"status":"ok"']).flat(), '"status":"ok"']);
    expect(Math.max(...encoder.batches)).toBe(1);
  });

  it('of thousands of requests on each of many connections does not delay other clients', async () => {
    const server = await serve({ models: [await animals.copy('flooded')] });
    const flood = 'GET /openapi.json HTTP/1.1\r\nhost: 127.0.0.1\r\n\r\n'.repeat(2000);
    const ended = Array.from({ length: 20 }, () => raw(server.address, flood).catch(() => ''));
    expect((await server.ask('/healthz')).status).toBe(200);
    await Promise.all(ended);
    const told = server.told.map(({ event, code }) => code ?? event);
    expect(told.filter((what) => what === 'server/pipelined')).toHaveLength(20);
    expect(told.filter((what) => what === 'request').length).toBeLessThanOrEqual(20 * 17 + 1);
  });

  it('is finished when the server closes', async () => {
    const server = await serve({
      models: [await animals.copy('closed')],
      openEncoder: async () => slowEncoder(200),
    });
    const under = server.ask(PREDICT, png(animals.cat));
    const half = animals.cat.length >> 1;
    const { hostname, port } = new URL(server.address);
    const socket = connect(Number(port), hostname);
    socket.write(
      `POST ${PREDICT} HTTP/1.1\r\nhost: 127.0.0.1\r\ncontent-type: image/png\r\n` +
        `content-length: ${animals.cat.length}\r\n\r\n`,
    );
    socket.write(animals.cat.subarray(0, half));
    let received = '';
    socket.setEncoding('utf8').on('data', (text) => {
      received += text;
    });
    const ended = new Promise((resolve) => socket.once('close', resolve));
    await new Promise((resolve) => setTimeout(resolve, 100));
    const closed = server.close();
    await expect(fetch(server.address)).rejects.toThrow();
    socket.write(animals.cat.subarray(half));
    await closed;
    await ended;
    expect((await under).status).toBe(200);
    expect(received).toMatch(/^HTTP\/1.1 200 .*connection: close/s);
  });

  it('that does not end is ended when the server closes', async () => {
    const server = await serve({
      models: [await animals.copy('stuck')],
      openEncoder: async () => slowEncoder(1500),
      deadline: 0.2,
      changeDeadline: 60,
    });
    const under = server.ask('/v1/models/animals/examples?label=owl', png(animals.cat));
    await new Promise((resolve) => setTimeout(resolve, 100));
    await server.close();
    const { status, json } = await under;
    expect([status, json.code]).toEqual([503, 'server/draining']);
  });
});
