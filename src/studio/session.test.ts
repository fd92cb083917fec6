import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { zipSync } from 'fflate';
import sharp from 'sharp';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { fakeEncoder } from '../classifier/fake-encoder.fixture.ts';
import { joinEncoders } from '../encoder/joined.ts';
import type { Encoder } from '../encoder/types.ts';
import { writeFileAtomic } from '../store/atomic.ts';
import type { Command } from './board.ts';
import { DiskSession, rememberAddress } from './disk-session.ts';
import { importSample } from './sample.ts';
import { tryPicture } from './trial.ts';

/** Time limit for busy machines. */
const PATIENT = { timeout: 20_000 };

let folder: string;
let session: DiskSession | undefined;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'session-'));
  vi.stubEnv('TIP_ADAPTER_HOME', join(folder, 'home'));
});
afterEach(async () => {
  await session?.close();
  session = undefined;
  vi.unstubAllEnvs();
  await rm(folder, { recursive: true, force: true });
});

const picture = (background: string, width = 40) =>
  sharp({ create: { width, height: 40, channels: 3, background } })
    .png()
    .toBuffer();

async function open(encoder: Encoder | string = fakeEncoder()): Promise<DiskSession> {
  session = await DiskSession.open({ folder: join(folder, 'session'), encoder });
  return session;
}

/** Two classes of two pictures each, imported at once. */
async function taught(encoder?: Encoder): Promise<DiskSession> {
  const opened = await open(encoder);
  const change = (command: Command) => opened.change({ command });
  await change({ do: 'add-class', id: 'r', name: 'red' });
  await change({ do: 'add-class', id: 'b', name: 'blue' });
  for (const [classId, colours] of Object.entries({ r: ['#c01020', '#a03010'], b: ['#1020c0', '#3010a0'] })) {
    for (const colour of colours) {
      const kept = await opened.pictures.keep(`${colour}.png`, await picture(colour));
      await change({ do: 'add', pictures: [{ ...(kept as { name: string; hash: string }), classId }] });
    }
  }
  await opened.lessons?.settled();
  return opened;
}

describe('a session', () => {
  it('takes all sample pictures, or none if one of them is no picture', async () => {
    const opened = await open();
    const drawing = await picture('#c01020');
    const noPicture = async (path: string) =>
      path.includes('pizza') ? Buffer.from('<!doctype html>') : drawing;
    await expect(importSample(opened, noPicture)).rejects.toThrow('The file is not a picture');
    expect(opened.board.classes).toEqual([]);
  });

  it('answers as soon as two classes have pictures, and names the method', async () => {
    const { answering, status, lessons } = await taught();
    expect(status.teaching.stage).toBe('done');
    expect(status.answering).toMatchObject({ by: 'searched', classes: 2, pictures: 4 });
    expect(lessons?.check?.check.total).toBe(4);
    const trial = await tryPicture(answering!, 1, await picture('#b01818'));
    expect(trial.classes[0]!.name).toBe('red');
    expect(trial.nearest).toHaveLength(4);
  });

  it('answers by its examples alone if the encoder reads no class names', async () => {
    const { embedTexts: _, ...blind } = fakeEncoder();
    const { answering, status, lessons } = await taught(blind);
    expect(status.encoder.readsText).toBe(false);
    expect(status.teaching.stage).toBe('done');
    expect(status.teaching.problem).toBeUndefined();
    expect(status.answering).toMatchObject({ by: 'searched', classes: 2, pictures: 4, tuned: undefined });
    expect(answering?.data.head).toBeUndefined();
    expect(lessons?.check?.check.total).toBe(4);
    expect(await lessons?.searchMap()).toBeUndefined();
    const trial = await tryPicture(answering!, 1, await picture('#b01818'));
    expect(trial.classes[0]!.name).toBe('red');
  });

  it('gives a joined encoder equal weights, and names them', async () => {
    const opened = await open(joinEncoders([fakeEncoder('first'), fakeEncoder('second', 'b')]));
    await vi.waitUntil(() => opened.status.encoder.state === 'ready', PATIENT);
    expect(opened.status.encoder.id).toBe('0.5*first+0.5*second');
  });

  it('keeps the results of each class over several checks, by the id of the class', async () => {
    const opened = await taught();
    const { past: first } = opened.lessons!.check!;
    await opened.change({ command: { do: 'rename-class', id: 'r', name: 'crimson' } });
    await opened.lessons?.settled();
    const { past, check } = opened.lessons!.check!;
    expect(past.slice(0, -1)).toEqual(first);
    expect(past.at(-1)).toEqual({ r: check.perClass[0], b: check.perClass[1] });
  });

  it('gives the parts of names and examples in nats: their sum determines the ratio of probabilities', async () => {
    const opened = await taught();
    const { alpha, beta } = opened.status.answering!.tuned!;
    await opened.change({ command: { do: 'set', settings: { method: 'auto', reject: 0, alpha, beta } } });
    await opened.lessons?.settled();
    const { temperature } = opened.answering!.data.tuning;
    expect(Math.abs(Math.log(temperature))).toBeGreaterThan(0.1);
    const { classes } = await tryPicture(opened.answering!, 1, await picture('#7018a8'));
    const [one, other] = [classes[0]!, classes[1]!];
    const nats = one.text + one.examples - other.text - other.examples;
    expect(nats).toBeCloseTo(Math.log(one.probability / other.probability), 4);
  });

  it('calibrates also constants that are set by hand, and reports that it cannot with one picture of each class', async () => {
    const opened = await taught();
    const hand = { method: 'auto', reject: 0, alpha: 0.3, beta: 2 };
    await opened.change({ command: { do: 'set', settings: hand } });
    await opened.lessons?.settled();
    const { by, calibrated, alpha, beta } = opened.status.answering!;
    expect([by, calibrated, alpha, beta]).toEqual(['hand', true, 0.3, 2]);
    const { tuning } = opened.answering!.data;
    expect(tuning).toMatchObject({ protocol: 'fixed', judges: 4, given: ['alpha', 'beta'] });
    const pictures = [...opened.board.pictures.values()];
    for (const classId of ['r', 'b']) {
      const own = pictures.filter((one) => one.classId === classId).slice(1);
      await opened.change({ command: { do: 'discard', hashes: own.map(({ hash }) => hash) } });
    }
    await opened.lessons?.settled();
    expect(opened.status.answering).toMatchObject({ calibrated: false, pictures: 2 });
    const trial = await tryPicture(opened.answering!, 1, await picture('#b01818'));
    expect(trial.calibrated).toBe(false);
  });

  it('embeds pictures while others arrive, answers before all are embedded, and embeds each once', async () => {
    const encoder = fakeEncoder();
    const slow = {
      ...encoder,
      embedImages: async (pixels: Parameters<typeof encoder.embedImages>[0]) => {
        await new Promise((resolve) => setTimeout(resolve, 5 * pixels.length));
        return encoder.embedImages(pixels);
      },
    };
    const opened = await open(slow);
    const answered: number[] = [];
    const seen: number[] = [];
    opened.watch(({ answering, teaching }) => {
      if (answering && answering.pictures !== answered.at(-1)) answered.push(answering.pictures);
      if (teaching.stage === 'looking') seen.push(teaching.done ?? 0);
    });
    for (const id of ['r', 'b']) await opened.change({ command: { do: 'add-class', id, name: id } });
    // Steps have at most 32 pictures, so some step ends when the first hundred are embedded, and not yet all.
    const [each, together] = [144, 12];
    const pictures = await Promise.all(
      Array.from({ length: each }, async (_, i) => {
        const isRed = i % 2 === 0;
        const colour = isRed ? `rgb(200,${i},40)` : `rgb(40,${i},200)`;
        const kept = await opened.pictures.keep(`${i}.png`, await picture(colour));
        return { ...(kept as { name: string; hash: string }), classId: isRed ? 'r' : 'b' };
      }),
    );
    for (let from = 0; from < each; from += together)
      await opened.change({ command: { do: 'add', pictures: pictures.slice(from, from + together) } });
    await opened.lessons?.settled();
    expect(answered[0]).toBeLessThan(each);
    expect(answered.at(-1)).toBe(each);
    expect(encoder.asked.images).toBe(each);
    // No change starts the embedding again.
    expect(seen).toEqual(seen.toSorted((a, b) => a - b));
  });

  it('says why a class cannot be tested', async () => {
    const opened = await taught();
    expect(opened.status.untestable).toEqual([]);
    const add = async (colours: readonly string[], name: string, group?: string) => {
      const id = `class ${name}`;
      await opened.change({ command: { do: 'add-class', id, name } });
      for (const colour of colours) {
        const kept = (await opened.pictures.keep(`${colour}.png`, await picture(colour, 41))) as {
          name: string;
          hash: string;
        };
        await opened.change({ command: { do: 'add', pictures: [{ ...kept, classId: id, group }] } });
      }
    };
    await add(['#10c020'], 'single');
    await add(['#c0c020', '#a0a010'], 'burst', 'one burst');
    await add(['#20c0c0', '#21c0c0'], 'copies');
    await opened.lessons?.settled();
    expect(opened.status.untestable).toEqual([
      { id: 'class single', why: 'one' },
      { id: 'class burst', why: 'burst' },
      { id: 'class copies', why: 'alike' },
    ]);
  });

  it('is one program at a time', async () => {
    const opened = await open();
    await rememberAddress(join(folder, 'session'), 'http://127.0.0.1:1234');
    await expect(
      DiskSession.open({ folder: join(folder, 'session'), encoder: fakeEncoder() }),
    ).rejects.toMatchObject({ code: 'studio/in-use', details: { address: 'http://127.0.0.1:1234' } });
    await opened.close();
    session = await DiskSession.open({ folder: join(folder, 'session'), encoder: fakeEncoder() });
  });

  it('has changes that come together on the board before any other', async () => {
    const opened = await open();
    const add = (name: string) => ({ command: { do: 'add-class', id: name, name } }) as const;
    const [first, second] = await Promise.all([opened.change(add('a'), add('b')), opened.change(add('c'))]);
    expect([first, second, opened.version]).toEqual([2, 3, 3]);
  });

  it('embeds a picture once, through all changes', async () => {
    const encoder = fakeEncoder();
    session = await DiskSession.open({ folder: join(folder, 'session'), encoder });
    const { hash } = (await session.pictures.keep('x.png', await picture('#c01020'))) as { hash: string };
    const change = async (command: Command) => {
      await session?.change({ command });
      await session?.lessons?.settled();
    };
    await change({ do: 'add-class', id: 'a', name: 'a' });
    await change({ do: 'add-class', id: 'b', name: 'b' });
    await change({ do: 'add', pictures: [{ hash, name: 'x.png', classId: 'a' }] });
    await change({ do: 'place', hashes: [hash], classId: 'b' });
    await change({ do: 'rename-class', id: 'b', name: 'c' });
    expect(encoder.asked.images).toBe(1);
    expect(encoder.asked.texts).toHaveLength(3);
  });

  it('uses constants set by hand, and returns to the tuned ones', async () => {
    const opened = await taught();
    const { settings } = opened.board;
    await opened.change({ command: { do: 'set', settings: { ...settings, alpha: 3, beta: 7 } } });
    await opened.lessons?.settled();
    expect(opened.status.answering).toMatchObject({ by: 'hand', method: 'tip-adapter', alpha: 3, beta: 7 });
    await opened.change({ move: 'undo' });
    await opened.lessons?.settled();
    expect(opened.status.answering?.by).toBe('searched');
  });

  it('takes options of the method from its own table, and refuses what the table does not have', async () => {
    const opened = await taught();
    const { settings } = opened.board;
    const set = async (options: Record<string, number>) => {
      await opened.change({
        command: { do: 'set', settings: { ...settings, method: 'linear-probe', options } },
      });
      await opened.lessons?.settled();
    };
    await set({ c: 2 });
    expect(opened.status.answering).toMatchObject({ method: 'linear-probe', options: { c: 2 } });
    expect(opened.lessons?.answering?.data.options).toMatchObject({ c: 2 });
    await set({ c: -1 });
    expect(opened.status.teaching.problem?.message).toContain('Option c cannot be -1');
    await set({ beta: 1 });
    expect(opened.status.teaching.problem?.message).toContain('beta');
    await set({});
    expect(opened.status.teaching.problem).toBe(undefined);
    expect(opened.status.answering?.method).toBe('linear-probe');
  });

  it('does not refit for another threshold of "none of these"', async () => {
    const opened = await taught();
    const before = opened.status.answering?.serial;
    await opened.change({ command: { do: 'set', settings: { ...opened.board.settings, reject: 0.9 } } });
    await opened.lessons?.settled();
    expect(opened.status.answering?.serial).toBe(before);
  });

  it('pauses and resumes a training, and a change ends the pause', async () => {
    const opened = await taught();
    const { settings } = opened.board;
    const train = () =>
      opened.change({ command: { do: 'set', settings: { ...settings, method: 'tip-adapter-f' } } });
    const points = () => opened.status.teaching.losses?.length ?? 0;
    await train();
    await vi.waitFor(() => expect(points()).toBeGreaterThan(0), { ...PATIENT, interval: 1 });
    opened.lessons?.pause(true);
    await vi.waitFor(() => expect(opened.status.teaching.paused).toBe(true), PATIENT);
    // The running step is finished first.
    await new Promise((resolve) => setTimeout(resolve, 300));
    const rested = points();
    await new Promise((resolve) => setTimeout(resolve, 300));
    expect(points()).toBe(rested);
    opened.lessons?.pause(false);
    await opened.lessons?.settled();
    expect(opened.status.answering?.method).toBe('tip-adapter-f');
    // Half of four pictures were left out of a training of twenty epochs.
    expect(opened.status.teaching.leftOut).toHaveLength(20);
    for (const share of opened.status.teaching.leftOut ?? []) expect([0, 0.5, 1]).toContain(share);
    expect(opened.status.teaching.paused).toBeFalsy();

    await opened.change({ command: { do: 'set', settings: { ...settings, method: 'taskres' } } });
    await vi.waitFor(() => expect(points()).toBeGreaterThan(0), { ...PATIENT, interval: 1 });
    opened.lessons?.pause(true);
    await opened.change({ command: { do: 'set', settings } });
    await opened.lessons?.settled();
    expect(opened.status.teaching).toMatchObject({ stage: 'done' });
  });

  it('proposes unsorted pictures, the least sure first, and near-copies once', async () => {
    const opened = await taught();
    const unsorted = ['#e00808', '#701070', '#711071', '#0808e0'];
    for (const colour of unsorted) {
      const kept = (await opened.pictures.keep(`${colour}.png`, await picture(colour))) as {
        name: string;
        hash: string;
      };
      await opened.change({ command: { do: 'add', pictures: [kept] } });
    }
    await opened.lessons?.settled();
    const next = (await opened.lessons?.next(opened.board)) ?? [];
    const names = next.map(({ hash }) => opened.board.pictures.get(hash)?.name);
    expect(names).toHaveLength(3);
    expect(names[0]).toMatch(/#7[01]/);
    const { hash, guesses } = next[0]!;
    expect(guesses.map(({ id }) => id).sort()).toEqual(['b', 'r']);
    expect(guesses[0]!.probability).toBeGreaterThanOrEqual(guesses[1]!.probability);
    await opened.change({ command: { do: 'place', hashes: [hash], classId: 'r' } });
    expect((await opened.lessons?.next(opened.board))?.some((one) => one.hash === hash)).toBe(false);
  });

  it('maps the accuracy on left-out pictures, with the tuned constants among the best', async () => {
    const opened = await taught();
    const map = await opened.lessons?.searchMap();
    expect(map?.recognised.length).toBe(map?.betas.length);
    for (const row of map?.recognised ?? []) expect(row.length).toBe(map?.alphas.length);
    const all = map?.recognised.flat() ?? [];
    expect(all.every((share) => Number.isInteger(4 * share))).toBe(true);
    const { alpha = 0, beta = 0 } = opened.status.answering?.tuned ?? {};
    const nearest = (values: readonly number[] = [], wanted: number) =>
      values.reduce((best, x, i) => (Math.abs(x - wanted) < Math.abs(values[best]! - wanted) ? i : best), 0);
    const chosen = map?.recognised[nearest(map.betas, beta)]?.[nearest(map.alphas, alpha)];
    expect(chosen).toBe(Math.max(...all));
  });

  it('reports pictures that are nearly the same, but not those of one burst', async () => {
    const opened = await taught();
    const add = async (colour: string, group?: string) => {
      const kept = await opened.pictures.keep(`${colour}.png`, await picture(colour, 41));
      const { hash } = kept as { hash: string };
      await opened.change({
        command: { do: 'add', pictures: [{ hash, name: colour, classId: 'b', group }] },
      });
      return hash;
    };
    const copies = [await add('#207020'), await add('#207121')];
    await add('#702070', 'burst');
    await add('#712070', 'burst');
    await opened.lessons?.settled();
    expect(opened.lessons?.check?.alike).toEqual([copies]);
  });

  it('asks before it downloads anything, and accepts a refusal', async () => {
    const opened = await open('resnet50-minilm');
    await vi.waitUntil(() => opened.status.encoder.state === 'offered', PATIENT);
    expect(opened.status.encoder).toMatchObject({ id: 'resnet50-minilm', licence: 'MIT and Apache-2.0' });
    expect(opened.status.encoder.bytes).toBeGreaterThan(1e6);
    opened.answerDownload(false);
    expect(opened.status.encoder).toMatchObject({ state: 'declined', id: 'resnet50-minilm' });
  });
});

describe('the pictures of a session', () => {
  it('of a zip with a table are those that may be learnt from, also if one cannot be read', async () => {
    const { pictures } = await open();
    const table = 'path,label,split\n1.png,a_b,training\n2.png,a_b,training\n3.png,c,holdout';
    const files = { 'index.csv': table, '2.png': 'no picture' };
    const zip = zipSync(
      {
        ...Object.fromEntries(Object.entries(files).map(([name, text]) => [name, Buffer.from(text)])),
        '1.png': await picture('#c01020'),
        '3.png': await picture('#20c010'),
      },
      { level: 0 },
    );
    zip[Buffer.from(zip).indexOf('no picture')]! ^= 1;
    const path = join(folder, 'listed.zip');
    await writeFileAtomic(path, zip);
    expect(await pictures.keepZip(path)).toMatchObject([
      { name: '1.png', className: 'a b' },
      { name: '2.png', problem: { code: 'zip/damaged' } },
      { name: '3.png', isHeldOut: true },
    ]);
  });

  it('of a zip are those that can be read, and the others are named', async () => {
    const { pictures } = await open();
    const zip = zipSync(
      {
        'cat/a.png': await picture('#c01020'),
        'cat/b.png': new TextEncoder().encode('no picture'),
        'cat/c.bmp': new TextEncoder().encode('another format'),
        'cat/notes.txt': new TextEncoder().encode('not asked for'),
        '__MACOSX/cat/a.png': new TextEncoder().encode('not asked for'),
      },
      { level: 0 },
    );
    const path = join(folder, 'pictures.zip');
    await writeFileAtomic(path, zip);
    const kept = await pictures.keepZip(path);
    expect(kept.map(({ name }) => name)).toEqual(['cat/a.png', 'cat/b.png', 'cat/c.bmp']);
    expect(kept.map((each) => 'hash' in each)).toEqual([true, false, false]);
    // The bytes of one entry are damaged. The other entries are imported.
    const at = Buffer.from(zip).indexOf('no picture');
    zip[at]! ^= 1;
    await writeFileAtomic(path, zip);
    const codes = (await pictures.keepZip(path)).map((each) =>
      'problem' in each ? each.problem.code : 'kept',
    );
    expect(codes).toEqual(['kept', 'zip/damaged', 'studio/left-out']);
    await writeFileAtomic(path, zip.subarray(0, 100));
    await expect(pictures.keepZip(path, 'mine.zip')).rejects.toThrow(/^mine\.zip cannot be read/);
  });

  it('have thumbnails, which are made again if they are missing', async () => {
    const { pictures } = await open();
    const { hash } = (await pictures.keep('a.png', await picture('#c01020'))) as { hash: string };
    const before = await pictures.thumbnail(hash);
    await rm(join(folder, 'session', 'thumbnails'), { recursive: true });
    expect(await pictures.thumbnail(hash)).toEqual(before);
  });

  it('are read only by hash', async () => {
    const { pictures } = await open();
    const bytes = await picture('#c01020');
    const kept = (await pictures.keep('a.png', bytes)) as { hash: string };
    expect(Buffer.from(await pictures.read(kept.hash)).equals(bytes)).toBe(true);
    await expect(async () => pictures.read('../session.jsonl')).rejects.toMatchObject({
      code: 'studio/hash',
    });
    await expect(pictures.read('0'.repeat(64))).rejects.toMatchObject({ code: 'studio/no-picture' });
  });
});
