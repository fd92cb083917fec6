import { mkdir, readFile, symlink, writeFile } from 'node:fs/promises';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { parquetWriteBuffer } from 'hyparquet-writer';
import { create } from 'tar';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import {
  fakeEncoder,
  picture,
  workspace,
  writeFiles,
  writePictures,
} from '../classifier/fake-encoder.fixture.ts';
import { fit } from '../classifier/fit.ts';
import { readDataset } from '../dataset/read.ts';
import { hashOf } from '../store/checksum.ts';
import { openStore } from '../store/open-store.ts';
import { S3_SKIP, type S3Server, s3Program, startS3 } from '../store/s3-server.fixture.ts';
import { embed } from './embed.ts';
import type { ShardSource } from './list-source.ts';
import { localQueue } from './local-queue.ts';
import { storeSource } from './store-source.ts';
import { sumRowsOn } from './summary-work.ts';
import type { Shard } from './work.ts';

const at = workspace();
const encoder = fakeEncoder();

async function shardsIn(source: ShardSource): Promise<Shard[]> {
  const shards: Shard[] = [];
  for await (const shard of source.shards()) shards.push(shard);
  return shards;
}

const shardsOf = (folder: string) => shardsIn(storeSource(openStore(folder)));

/** The pictures of a store that holds these keys, in this order. */
function listedSource(keys: readonly string[]): ShardSource {
  async function* list(_?: string, { after }: { after?: string } = {}) {
    for (const key of keys.slice(after === undefined ? 0 : keys.indexOf(after) + 1))
      yield { key, size: 1, tag: key };
  }
  return storeSource({ ...openStore(at()), list });
}

const idsOf = (folder: string, shard: Shard) =>
  storeSource(openStore(folder)).withPictures(shard, async (pictures) => pictures.map(({ id }) => id));

describe('the pictures in a store', () => {
  it('are cut into shards of which a new picture changes one or two, and found again from a pointer', async () => {
    const names = Array.from({ length: 7000 }, (_, i) => `${i % 7}/${i}.jpg`).toSorted();
    const all = ['.hidden.jpg', ...names, 'notes.txt'];
    const source = listedSource(all);
    const shards = await shardsIn(source);
    expect(shards.length).toBeGreaterThan(2);
    const idsIn = (from: ShardSource, shard: Shard) =>
      from.withPictures(JSON.parse(JSON.stringify(shard)), async (pictures) => pictures.map(({ id }) => id));
    const found = await Promise.all(shards.map((shard) => idsIn(source, shard)));
    expect(found.flat()).toEqual(names);
    expect(JSON.stringify(shards[1]!.pointer).length).toBeLessThan(100);
    const more = listedSource([...all.slice(0, 3000), `${all[2999]}-2.jpg`, ...all.slice(3000)]);
    const grown = await shardsIn(more);
    const fresh = grown.filter(({ id }) => !shards.some((shard) => shard.id === id));
    // The end of its shard may move, and that of the next.
    expect([1, 2]).toContain(fresh.length);
    const before = shards.find(({ id }) => !grown.some((shard) => shard.id === id))!;
    await expect(idsIn(more, before)).rejects.toMatchObject({ code: 'scale/changed' });
  });

  it('are also those in tar archives; an archive that cannot be opened is one unreadable picture', async () => {
    await mkdir(at('shards'), { recursive: true });
    const [one, two] = [await picture('cat', 1), await picture('dog', 2)];
    await writeFiles(at('unpacked'), { 'one.png': one, 'one.cls': '0', 'two.png': two });
    await symlink('one.png', at('unpacked', 'link.png'));
    await create({ file: at('shards', 'a.tar'), cwd: at('unpacked') }, [
      ...['one.png', 'one.cls', 'two.png', 'link.png'],
    ]);
    await writeFile(at('shards', 'b.tar'), 'no archive');
    await writeFile(at('shards', 'c.png'), await picture('owl', 3));
    const names = parquetWriteBuffer({ columnData: [{ name: 'name', data: ['x'], type: 'STRING' }] });
    await writeFile(at('shards', 'd.parquet'), new Uint8Array(names));
    const [a, b, d, rest] = await shardsOf(at('shards'));
    expect(await idsOf(at('shards'), a!)).toEqual(['a.tar/one.png', 'a.tar/two.png', 'a.tar/link.png']);
    expect(await idsOf(at('shards'), b!)).toEqual(['b.tar']);
    expect(await idsOf(at('shards'), d!)).toEqual(['d.parquet']);
    expect(await idsOf(at('shards'), rest!)).toEqual(['c.png']);
    const linked = storeSource(openStore(at('shards'))).withPictures(a!, async (all) => all.at(-1)!.read());
    await expect(linked).rejects.toMatchObject({ message: 'a.tar/link.png is not read: a link' });
    await writeFile(at('shards', 'a.tar'), 'another');
    await expect(idsOf(at('shards'), a!)).rejects.toMatchObject({ code: 'scale/changed' });
  });

  it('are at least one, and what is neither a picture nor an archive is counted', async () => {
    await expect(shardsIn(listedSource(['notes.txt']))).rejects.toMatchObject({ code: 'images/none' });
    const source = listedSource(['.hidden', 'a.bmp', 'b.png', 'notes.txt']);
    for (let again = 0; again < 2; again++) {
      expect(await shardsIn(source)).toMatchObject([{ pictures: 1 }]);
      expect(source.leftOut!()).toBe(2);
    }
  });
});

describe('addresses on the web', () => {
  let server: Server;
  let address: string;
  let broken = false;
  /** The headers that the server sends with a picture's bytes. */
  let facts: (bytes: Buffer) => Record<string, string> = () => ({});
  beforeAll(async () => {
    await writePictures(at('web'), { cat: 2, dog: 2 });
    await writeFile(at('web', 'list.txt'), 'cat/0.png\ncat/1.png\ndog/0.png\ndog/absent.png\n');
    server = createServer(async (request, response) => {
      const { pathname, search } = new URL(request.url ?? '', 'http://host');
      if (broken && pathname.endsWith('.png')) return response.writeHead(403).end();
      // A signature is for one method.
      const isSigned = request.method === 'GET' && search === '?sig=a-secret';
      if (pathname.startsWith('/signed/') && !isSigned) return response.writeHead(403).end();
      const bytes = await readFile(join(at('web'), pathname)).catch(() => undefined);
      const headers = bytes && { 'content-length': bytes.length, ...facts(bytes) };
      response.writeHead(bytes ? 200 : 404, headers).end(request.method === 'HEAD' ? undefined : bytes);
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    address = `http://127.0.0.1:${(server.address() as AddressInfo).port}/list.txt`;
  });
  afterAll(() => new Promise((resolve) => server.close(resolve)));

  it('are embedded from their list; a missing picture is a failure, a refusal ends the run', async () => {
    broken = true;
    const options = { encoder, output: at('from-web'), unlabelled: true };
    await expect(embed(address, options)).rejects.toMatchObject({ code: 'store/denied', exitCode: 4 });
    broken = false;
    expect(await embed(address, options)).toMatchObject({ pictures: 4, failures: 1 });
    const { examples } = await readDataset(at('from-web'));
    expect(examples.map(({ id, label, stored }) => [id, label, stored !== undefined])).toEqual([
      ['cat/0.png', -1, true],
      ['cat/1.png', -1, true],
      ['dog/0.png', -1, true],
      ['dog/absent.png', -1, false],
    ]);
  });

  it.each<[string, typeof facts]>([
    ['tags', (bytes) => ({ etag: `"${hashOf(bytes)}"` })],
    ['dates', (bytes) => ({ 'last-modified': `a date for ${hashOf(bytes)}` })],
    ['nothing', () => ({})],
  ])('are embedded anew when one has changed, on a server with %s', async (name, given) => {
    facts = given;
    const options = { encoder, output: at(`changing-${name}`), unlabelled: true };
    await writeFile(at('web', 'cat', '1.png'), await picture('cat', 1));
    expect(await embed(address, options)).toMatchObject({ before: false });
    expect(await embed(address, options)).toMatchObject({ before: true });
    await writeFile(at('web', 'cat', '1.png'), await picture('owl', 7));
    expect(await embed(address, options)).toMatchObject({ before: false, pictures: 4 });
    facts = () => ({});
  });

  it('may be signed, and no signature gets into names and jobs', async () => {
    await writePictures(at('web', 'signed'), { cat: 2 });
    await create({ file: at('web', 'signed', 'pack.tar'), cwd: at('web', 'signed') }, ['cat/1.png']);
    const lines = ['signed/cat/0.png', 'signed/pack.tar', 'signed/notes.txt'];
    await writeFile(at('web', 'all.txt'), lines.map((line) => `${line}?sig=a-secret\n`).join(''));
    const list = address.replace('list.txt', 'all.txt');
    const shards = await shardsIn(storeSource(openStore(list)));
    expect(JSON.stringify(shards)).not.toContain('a-secret');
    const idsIn = (shard: Shard) =>
      storeSource(openStore(list)).withPictures(shard, async (all) => {
        for (const one of all) expect((await one.read()).length).toBeGreaterThan(50);
        return all.map(({ id }) => id);
      });
    expect(await Promise.all(shards.map(idsIn))).toEqual([
      ['signed/pack.tar/cat/1.png'],
      ['signed/cat/0.png'],
    ]);
    const options = { encoder, output: at('signed'), unlabelled: true };
    expect(await embed(list, options)).toMatchObject({ pictures: 2, failures: 0, leftOut: 1 });
    await writeFile(at('web', 'all.txt'), 'get.png?id=1\nget.png?id=2\n');
    await expect(embed(list, options)).rejects.toMatchObject({ code: 'store/no-list' });
  });
});

describe.skipIf(!s3Program)(`a bucket${S3_SKIP}`, () => {
  let s3: S3Server;
  beforeAll(async () => {
    s3 = await startS3();
    for (const name of ['photos', 'features']) await s3.createBucket(name);
    for (const [name, value] of Object.entries(s3.env)) vi.stubEnv(name, value);
    const bucket = openStore('s3://photos/');
    await writePictures(at('local'), { cat: 3, dog: 3 });
    for (const kind of ['cat', 'dog'])
      for (const i of [0, 1, 2])
        await bucket.put(`${kind}/${i}.png`, await readFile(at('local', kind, `${i}.png`)));
  }, 60_000);
  afterAll(async () => {
    vi.unstubAllEnvs();
    await s3?.close();
  });

  it('is embedded with its classes into another, of which fit makes the same as of the pictures', async () => {
    const output = 's3://features/run/';
    const options = { encoder, output, format: 'parquet' } as const;
    expect(await embed('s3://photos/', options)).toMatchObject({ pictures: 6, failures: 0, before: false });
    expect(await embed('s3://photos/', options)).toMatchObject({ pictures: 6, before: true });
    const how = { encoder, thumbnails: false, method: 'tip-adapter' };
    const [remote, local] = [await fit(output, how), await fit(at('local'), how)];
    expect(remote.data.support).toEqual(local.data.support);
    expect(remote.data.state).toEqual(local.data.state);
    await Promise.all([remote.close(), local.close()]);
    await embed(at('local'), { ...options, output: at('files') });
    const summed = { encoder, method: 'prototype', summary: true, tune: 'fixed' } as const;
    const [there, here] = [
      await fit(output, { ...summed, sumRows: sumRowsOn(localQueue, `${output}sums/`) }),
      await fit(at('files'), summed),
    ];
    expect(there.data.state).toEqual(here.data.state);
    expect(there.data.summary).toEqual(here.data.summary);
    await Promise.all([there.close(), here.close()]);
    await expect(embed('s3://photos/', { ...options, format: 'npy' })).rejects.toMatchObject({
      code: 'embed/format',
    });
    expect(await embed('s3://photos/', { encoder, output: at('streamed'), unlabelled: true })).toMatchObject({
      pictures: 6,
    });
  });
});
