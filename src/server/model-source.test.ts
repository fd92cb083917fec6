import { readFile } from 'node:fs/promises';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { sha256 } from '../sha256.ts';
import { startFakeHub } from '../store/fake-hub.fixture.ts';
import { modelFile } from './model-registry.ts';
import { fittedAnimals, PREDICT, png, serve } from './serve.fixture.ts';

const PATIENT = { timeout: 10_000, interval: 20 };
const animals = fittedAnimals();

/** The part of the S3 protocol that reading an object needs, without signatures. src/store tests the client with real servers. */
const objects = new Map<string, Buffer>();
let isDown = false;
let store: Server;
beforeAll(async () => {
  store = createServer((request, response) => {
    const bytes = objects.get(request.url!);
    if (isDown || !bytes) {
      response.writeHead(isDown ? 403 : 404).end();
      return;
    }
    const etag = `"${sha256(bytes).slice(0, 32)}"`;
    if ((request.headers['if-match'] ?? etag) !== etag) response.writeHead(412).end();
    else response.writeHead(200, { etag, 'content-length': bytes.length }).end(bytes);
  }).listen(0, '127.0.0.1');
  await new Promise((resolve) => store.once('listening', resolve));
  vi.stubEnv('AWS_ENDPOINT_URL', `http://127.0.0.1:${(store.address() as AddressInfo).port}`);
  for (const name of ['AWS_ACCESS_KEY_ID', 'AWS_SECRET_ACCESS_KEY']) vi.stubEnv(name, '');
});
afterAll(() => {
  vi.unstubAllEnvs();
  store.close();
});

describe('a classifier on the hub', () => {
  it('is served from the commit of the first time, and not changed', async () => {
    const hub = await startFakeHub({
      'me/animals.v2': { files: { 'classifier.safetensors': animals.file } },
    });
    vi.stubEnv('HF_ENDPOINT', hub.endpoint);
    const model = modelFile('hf:me/animals.v2@main');
    expect(model.name).toBe('animals.v2');
    const server = await serve({ models: [model], pollInterval: 30 });
    const predicted = await server.ask(PREDICT.replace('animals', 'animals.v2'), png(animals.cat));
    expect(predicted.json.version).toBe(1);
    const added = await server.ask('/v1/models/animals.v2/examples?label=cat', png(animals.cat));
    expect(added.json.code).toBe('server/read-only');
    await hub.close();
  });
});

describe('a classifier of a store', () => {
  it('is loaded again when the object changes, and answers while the store does not', async () => {
    objects.set('/bucket/models/animals.safetensors', animals.file);
    const model = modelFile('s3://bucket/models/animals.safetensors');
    expect(model.name).toBe('animals');
    const server = await serve({ models: [model], pollInterval: 30 });
    const state = async () => (await server.ask('/v1/models/animals')).json;
    expect(await state()).toMatchObject({ version: 1, classes: { length: 3 } });

    const without = await animals.classifier.remove({ classes: ['fox'] });
    const copy = await animals.copy('without-fox');
    await without.save(copy.path);
    objects.set('/bucket/models/animals.safetensors', await readFile(copy.path));
    await vi.waitFor(
      async () => expect(await state()).toMatchObject({ version: 2, classes: { length: 2 } }),
      PATIENT,
    );

    isDown = true;
    await vi.waitFor(async () => expect((await state()).problem.status).toBe(500), PATIENT);
    expect((await server.ask(PREDICT, png(animals.cat))).json.version).toBe(2);
    await new Promise((resolve) => setTimeout(resolve, 150));
    isDown = false;
    await vi.waitFor(async () => expect((await state()).problem).toBeUndefined(), PATIENT);
    const reloads = server.told.filter(({ event }) => event === 'reload');
    expect(reloads.map(({ level }) => level)).toEqual(['info', 'error']);

    objects.set('/bucket/models/animals.safetensors', Buffer.from('damaged'));
    await vi.waitFor(async () => expect((await state()).problem.code).toBe('classifier/damaged'), PATIENT);
    expect((await server.ask(PREDICT, png(animals.cat))).json.version).toBe(2);
  });

  it('is not changed by the server, and must be there when it starts', async () => {
    objects.set('/bucket/fixed.safetensors', animals.file);
    const server = await serve({ models: [modelFile('animals=s3://bucket/fixed.safetensors')] });
    const { status, json } = await server.ask('/v1/models/animals/examples?label=cat', png(animals.cat));
    expect([status, json.code]).toEqual([403, 'server/read-only']);
    const missing = serve({ models: [modelFile('s3://bucket/none.safetensors')] });
    await expect(missing).rejects.toMatchObject({ code: 'store/missing' });
  });
});
