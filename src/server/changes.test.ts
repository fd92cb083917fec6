import { spawnSync } from 'node:child_process';
import { readFile, rename, rm, writeFile } from 'node:fs/promises';
import { hostname } from 'node:os';
import { beforeAll, describe, expect, it, vi } from 'vitest';
import { picture } from '../classifier/fake-encoder.fixture.ts';
import { load } from '../classifier/index.ts';
import {
  type Answer,
  fittedAnimals,
  form,
  PREDICT,
  png,
  post,
  type Served,
  serve,
  slowEncoder,
} from './serve.fixture.ts';

/** Time limit for busy machines. */
const PATIENT = { timeout: 30_000 };

const animals = fittedAnimals();

describe('changes', () => {
  let server: Served;
  let path: string;
  beforeAll(async () => {
    const model = await animals.copy('changed');
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
    const named = await change('classes', post('application/json', '{"name":"<script>alert(1)</script>"}'));
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

  it('at the same time go one after the other; of two for one version, one is refused', async () => {
    const { version } = (await server.ask('/v1/models/animals')).json;
    const add = async (name: string, query = '') =>
      change(`examples?label=${name}${query}`, png(await picture(name, 1)));
    const both = await Promise.all([add('bat', `&version=${version}`), add('bee', `&version=${version}`)]);
    expect(both.map(({ status }) => status).sort()).toEqual([200, 409]);
    const many = await Promise.all(['emu', 'gnu', 'yak'].map((name) => add(name)));
    expect(many.map(({ json }) => json.model.version - version).sort()).toEqual([2, 3, 4]);
    const shown = (await server.ask('/v1/models/animals')).json.classes.map(({ id }: Answer) => id);
    expect(shown).toEqual(expect.arrayContaining(['emu', 'gnu', 'yak']));
  });

  it('are refused with an error that names the fault', async () => {
    const refused = async (query: string, init: RequestInit) => {
      const { status, json } = await change(query, init);
      return [status, json.code];
    };
    const named = (name: string) => post('application/json', JSON.stringify({ name }));
    const json = (pictures: unknown) => post('application/json', JSON.stringify({ pictures }));
    const data = animals.cat.toString('base64');
    expect(await refused('examples', png(animals.cat))).toEqual([400, 'add/label']);
    expect(await refused('examples', json([{ data, label: 'a\u0000b' }]))).toEqual([400, 'server/request']);
    for (const name of ['cat', 'Cat', 'c\u200bat', '\u00a0cat\ufeff'])
      expect(await refused('classes', named(name))).toEqual([409, 'class/known']);
    expect(await refused('classes', named('unsure'))).toEqual([400, 'add/label']);
    expect(await refused('examples?label=unsure', png(animals.cat))).toEqual([400, 'add/label']);
    expect(await refused('classes', named(' '))).toEqual([400, 'server/request']);
    expect(await refused('classes', named('a\nb'))).toEqual([400, 'server/request']);
    expect(await refused('classes?name=unicorn', { method: 'DELETE' })).toEqual([404, 'class/unknown']);
    expect(await refused('examples?id=unicorn', { method: 'DELETE' })).toEqual([404, 'example/unknown']);
    expect(await refused('examples', { method: 'DELETE' })).toEqual([400, 'server/request']);
    expect(await refused('classes', { method: 'GET' })).toEqual([405, 'server/method']);
    expect(await refused('examples?version=1&version=2', { method: 'DELETE' })).toEqual([
      400,
      'server/request',
    ]);
    for (const name of ['__proto__', 'constructor', '../../etc', 'ünïcödé 猫']) {
      expect((await change('classes', named(name))).status).toBe(200);
      const gone = await change(`classes?name=${encodeURIComponent(name)}`, { method: 'DELETE' });
      expect(gone.status).toBe(200);
    }
  });

  it('accept only declared JSON without lone surrogates', async () => {
    const asked = async (type: string, name: string) => {
      const { status, json } = await change('classes', post(type, JSON.stringify({ name })));
      return [status, json.code];
    };
    expect(await asked('text/plain', 'owl')).toEqual([415, 'server/type']);
    expect(await asked('application/json; charset=utf-8', '\ud800')).toEqual([400, 'server/request']);
    const bare = await change('classes', { method: 'POST', body: new Blob(['{"name":"owl"}']) });
    expect([bare.status, bare.json.code]).toEqual([415, 'server/type']);
    const pictures = [{ data: animals.cat.toString('base64'), name: '\udc00', label: 'cat' }];
    const named = await change('examples', post('application/json', JSON.stringify({ pictures })));
    expect([named.status, named.json.code]).toEqual([400, 'server/request']);
  });

  it('that end too late change nothing', async () => {
    const model = await animals.copy('late');
    const slow = await serve({ models: [model], openEncoder: async () => slowEncoder(200) });
    const { status, json } = await slow.ask('/v1/models/animals/examples?label=owl', {
      ...png(animals.cat),
      headers: { 'content-type': 'image/png', 'x-deadline-ms': '50' },
    });
    expect([status, json.code]).toEqual([504, 'server/deadline']);
    await slow.close();
    expect(await readFile(model.path)).toEqual(animals.file);
  });

  it('by other programs are loaded; a broken file is not loaded but reported', async () => {
    await writeFile(`${path}.new`, animals.file);
    await rename(`${path}.new`, path);
    const version = async () => (await server.ask('/v1/models/animals')).json.version;
    await vi.waitFor(async () => expect(await version()).toBe(1), PATIENT);
    await writeFile(path, animals.file.subarray(0, 500));
    await vi.waitFor(async () => {
      const { json } = await server.ask('/v1/models/animals');
      expect(json.problem?.code).toBe('classifier/damaged');
    }, PATIENT);
    expect((await server.ask(PREDICT, png(animals.cat))).status).toBe(200);
    expect((await change('classes?name=fox', { method: 'DELETE' })).status).toBe(500);
    await writeFile(path, animals.file);
    await vi.waitFor(
      async () => expect((await server.ask('/v1/models/animals')).json.problem).toBeUndefined(),
      PATIENT,
    );
  });

  it('by other programs are loaded while a change of another classifier waits for its file', async () => {
    const held = await animals.copy('held');
    const free = { ...(await animals.copy('free')), name: 'free' };
    const two = await serve({ models: [held, free], pollInterval: 50 });
    await writeFile(`${held.path}.lock`, `${process.ppid} ${hostname()} other`);
    const waiting = two.ask('/v1/models/animals/classes?name=fox', { method: 'DELETE' });
    await new Promise((resolve) => setTimeout(resolve, 200));
    await writeFile(`${free.path}.new`, animals.file);
    await rename(`${free.path}.new`, free.path);
    await vi.waitFor(
      () => expect(two.told).toContainEqual(expect.objectContaining({ event: 'reload', model: 'free' })),
      PATIENT,
    );
    await rm(`${held.path}.lock`);
    expect((await waiting).status).toBe(200);
  });

  it.skipIf(process.platform === 'win32')('survive a named pipe in the place of a file', async () => {
    const { path: piped } = await animals.copy('piped');
    const one = await serve({ models: [{ name: 'animals', path: piped }], pollInterval: 50 });
    const problem = async () => (await one.ask('/v1/models/animals')).json.problem?.code;
    await rm(piped);
    spawnSync('sh', ['-c', 'mkfifo "$0"', piped]);
    await vi.waitFor(async () => expect(await problem()).toBe('classifier/unreadable'), PATIENT);
    expect((await one.ask(PREDICT, png(animals.cat))).status).toBe(200);
    await rm(piped);
    await writeFile(piped, animals.file);
    await vi.waitFor(async () => expect(await problem()).toBeUndefined(), PATIENT);
  });
});
