import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { mkdir, readFile, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { readClassifier } from '../src/classifier/file.ts';
import { boardOnDisk } from '../src/studio/disk-journal.ts';
import { classOf, type Ended, type Harm, Place, type Running } from './program.ts';

/** A way of changing stored data that the campaigns disturb. */
export interface Subject {
  /** Makes the data before the first change. */
  prepare(place: Place): Promise<void>;
  /** The stored pictures by sha256. Throws if the data cannot be read. */
  kept(place: Place): Promise<Set<string>>;
  /**
   * Makes up to `count` changes, and reports each before it starts and after the program has confirmed it.
   */
  change(
    place: Place,
    numbers: Iterator<number>,
    count: number,
    told: Told,
    harm?: Harm,
    moment?: Moment,
  ): Promise<Ended>;
}

/** Called when a program runs that can be disturbed. */
export type Moment = (running: Running) => void;

export interface Told {
  tried(change: Change): void;
  done(): void;
}

export interface Change {
  readonly add?: string;
  readonly remove?: string;
  /** Makes a new file with these pictures. */
  readonly fit?: readonly string[];
}

const FILE = 'pets.safetensors';
const sha256 = (bytes: Uint8Array) => createHash('sha256').update(bytes).digest('hex');
const next = (numbers: Iterator<number>) => numbers.next().value as number;

async function keptInFile(place: Place): Promise<Set<string>> {
  const path = place.path('work', FILE);
  if (!(await stat(path).catch(() => undefined))) return new Set();
  return new Set((await readClassifier(path)).examples.map((example) => example.sha256));
}

function fitOnce(place: Place, method = 'tip-adapter', harm?: Harm): Running {
  const encoder = place.path('encoder');
  const own = method === 'tip-adapter-f' ? ['--epochs', '3', '--batch', '4'] : [];
  return place.start(
    [
      'fit',
      place.path('photos'),
      '-o',
      FILE,
      '--encoder',
      encoder,
      '--method',
      method,
      '--tune',
      'fixed',
      ...own,
    ],
    harm,
  );
}

async function fitted(place: Place): Promise<void> {
  const { status, stderr } = await fitOnce(place).ended;
  assert.equal(status, 0, stderr);
}

async function photos(place: Place): Promise<string[]> {
  const files = ['red', 'green', 'blue'].flatMap((kind) => [0, 1, 2].map((i) => join(kind, `${i}.png`)));
  return Promise.all(files.map(async (file) => sha256(await readFile(place.path('photos', file)))));
}

/** A command that makes a change, and the change that it reports if it differs. */
interface Begun {
  readonly running: Running;
  readonly change: Change;
  made?(ended: Ended): Promise<Change | undefined>;
}

function command(start: (place: Place, number: number, harm?: Harm) => Promise<Begun>): Subject['change'] {
  return async (place, numbers, count, told, harm, moment) => {
    for (;;) {
      const { running, change, made } = await start(place, next(numbers), harm);
      told.tried(change);
      moment?.(running);
      const ended = await running.ended;
      if (ended.status === 0) {
        told.tried((await made?.(ended)) ?? change);
        told.done();
      }
      if (--count <= 0 || ended.status !== 0) return ended;
    }
  };
}

function fit(method: string): Subject {
  return {
    prepare: async () => {},
    kept: keptInFile,
    change: command(async (place, _, harm) => ({
      running: fitOnce(place, method, harm),
      change: { fit: await photos(place) },
      // An unreadable picture or folder is left out, and the command reports it.
      made: async ({ stderr }) =>
        / could not be read and | left out, because /.test(stderr)
          ? { fit: [...(await keptInFile(place))] }
          : undefined,
    })),
  };
}

const add: Subject = {
  prepare: fitted,
  kept: keptInFile,
  change: command(async (place, number, harm) => {
    const path = await place.extra(number);
    return {
      running: place.start(['add', FILE, path, '--label', classOf(number)], harm),
      change: { add: sha256(await readFile(path)) },
    };
  }),
};

const remove: Subject = {
  prepare: async (place) => {
    await fitted(place);
    const { status, stderr } = await place.run(['add', FILE, ...(await many(place, 400)), '--label', 'red']);
    assert.equal(status, 0, stderr);
  },
  kept: keptInFile,
  change: command(async (place, _, harm) => {
    const { examples } = await readClassifier(place.path('work', FILE));
    const { id, sha256 } = examples.at(-1)!;
    return { running: place.start(['remove', FILE, '--example', id], harm), change: { remove: sha256 } };
  }),
};

const many = (place: Place, count: number) =>
  Promise.all(Array.from({ length: count }, (_, i) => place.extra(100_000 + i)));

/** A server that makes changes on request. */
function served(
  begin: (place: Place, harm?: Harm) => Running,
  ask: (address: string, picture: Buffer, number: number) => Promise<void>,
): Subject['change'] {
  return async (place, numbers, count, told, harm, moment) => {
    const running = begin(place, harm);
    const address = await running.line;
    let problem = '';
    if (address !== undefined) {
      moment?.(running);
      try {
        for (let made = 0; made < count; made++) {
          const number = next(numbers);
          const picture = await Place.picture(number);
          told.tried({ add: sha256(picture) });
          await ask(address, picture, number);
          told.done();
        }
      } catch (error) {
        // The connection breaks if the program ends. An answer can also be an error without a change.
        problem = (error as Error).message;
      }
      running.child.kill('SIGTERM');
    }
    const ended = await running.ended;
    return { ...ended, stderr: `${ended.stderr}${problem}` };
  };
}

async function answered(response: Response): Promise<unknown> {
  const body = await response.text();
  if (!response.ok) throw new Error(body);
  return JSON.parse(body);
}

const serve: Subject = {
  prepare: fitted,
  kept: keptInFile,
  change: served(
    (place, harm) => place.start(['serve', FILE, '--port', '0'], harm),
    async (address, body, number) => {
      const label = classOf(number);
      const headers = { 'content-type': 'image/png' };
      const url = `${address}/v1/models/pets/examples?label=${label}`;
      await answered(await fetch(url, { method: 'POST', headers, body: new Uint8Array(body) }));
    },
  ),
};

const dist = (path: string) => JSON.stringify(new URL(`../dist/${path}.js`, import.meta.url).href);

/** The studio without page and browser. It ends in the same way as the command. */
const STUDIO = `
const { startStudio } = await import(${dist('studio/index')});
const { systemError } = await import(${dist('system-error')});
const end = (error) => {
  console.error(error);
  process.exit((systemError(error) ?? error).exitCode ?? 1);
};
process.on('unhandledRejection', end);
const studio = await startStudio({ folder: 'session', page: 'page', encoder: process.argv[1] }).catch(end);
for (const signal of ['SIGTERM', 'SIGHUP']) process.once(signal, () => studio.close());
console.log(studio.address);`;

const studio: Subject = {
  prepare: async (place) => {
    await mkdir(place.path('work', 'page'));
    await writeFile(place.path('work', 'page', 'index.html'), '');
  },
  kept: async (place) => {
    const { pictures } = await boardOnDisk(place.path('work', 'session'));
    for (const hash of pictures.keys())
      assert.equal(
        sha256(await readFile(place.path('work', 'session', 'pictures', hash))),
        hash,
        'a picture is another',
      );
    return new Set(pictures.keys());
  },
  change: served(
    (place, harm) => place.node(['--input-type=module', '-e', STUDIO, place.path('encoder')], harm),
    async (address, body, number) => {
      const headers = { 'content-type': 'application/json' };
      const url = `${address}/api/pictures?name=${number}.png`;
      const kept = (await answered(await fetch(url, { method: 'POST', body: new Uint8Array(body) }))) as {
        hash: string;
      };
      const { version } = (await answered(await fetch(`${address}/api/board`))) as { version: number };
      const changes = [{ command: { do: 'add', pictures: [{ name: `${number}.png`, hash: kept.hash }] } }];
      const change = JSON.stringify({ version, changes });
      await answered(await fetch(`${address}/api/changes`, { method: 'POST', headers, body: change }));
    },
  ),
};

export const SUBJECTS: Readonly<Record<string, Subject>> = {
  fit: fit('tip-adapter'),
  'fit with training': fit('tip-adapter-f'),
  add,
  remove,
  'serve, changes': serve,
  'studio, changes': studio,
};
