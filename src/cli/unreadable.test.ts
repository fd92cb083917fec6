import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { cp, mkdir, mkdtemp, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import sharp from 'sharp';
import { afterAll, beforeAll, expect, it, vi } from 'vitest';
import { writeClassifier } from '../classifier/file.ts';
import { load } from '../classifier/index.ts';
import { writeSmallEncoder } from '../encoder/small-encoder.fixture.ts';
import { recordingIo } from './io.fixture.ts';
import { runCli } from './program.ts';
import { copyByClass } from './sorting.ts';

vi.mock('../image/loader.ts', async (original) =>
  (await import('../classifier/fake-encoder.fixture.ts')).sharedDecoders(original),
);

/** Folders with this name count as unreadable, because the superuser ignores permissions. */
const LOCKED = 'locked';

const refuse = (path: unknown) =>
  Object.assign(new Error(`EACCES: permission denied, scandir '${path}'`), {
    code: 'EACCES',
    syscall: 'scandir',
    path,
  });
const isLocked = (path: unknown) => basename(String(path)) === LOCKED;

vi.mock('node:fs/promises', async (original) => {
  const real = await original<typeof import('node:fs/promises')>();
  const readdir = async (path: string, ...rest: []) => {
    if (isLocked(path)) throw refuse(path);
    return real.readdir(path, ...rest);
  };
  return { ...real, readdir };
});
vi.mock('node:fs', async (original) => {
  const real = await original<typeof import('node:fs')>();
  const readdir = (path: string, options: object, done: (error: Error | null, found?: unknown) => void) =>
    isLocked(path) ? done(refuse(path)) : real.readdir(path, options as never, done as never);
  return { ...real, readdir };
});

let work: string;
const at = (...parts: string[]) => join(work, ...parts);

async function picture(path: string, background: string): Promise<void> {
  await mkdir(join(path, '..'), { recursive: true });
  await sharp({ create: { width: 40, height: 40, channels: 3, background } })
    .png()
    .toFile(path);
}

async function tip(...argv: string[]) {
  const io = recordingIo();
  const status = await runCli(argv, io);
  return { status, out: io.out(), err: io.err() };
}

const COLOURS = { red: ['#e01010', '#c00000'], blue: ['#1010e0', '#0000c0'] } as const;

beforeAll(async () => {
  work = await mkdtemp(join(tmpdir(), 'unreadable-'));
  process.env.TIP_ADAPTER_HOME = at('home');
  await writeSmallEncoder(at('encoder'));
  for (const [name, [a, b]] of Object.entries(COLOURS)) {
    await picture(at('photos', name, '1.png'), a);
    for (const [i, shade] of [b, `${b.slice(0, 5)}22`, `${b.slice(0, 5)}44`].entries())
      await picture(at('whole', name, `${i}.png`), shade);
  }
  const { status } = await tip('fit', at('photos'), '-o', at('known'), '--encoder', at('encoder'));
  expect(status).toBe(0);
  const listed = async (folder: string, rows: string[]) => {
    await cp(at('whole'), at(folder), { recursive: true });
    await writeFile(at(folder, 'index.csv'), `path,label\n${rows.join('\n')}`);
  };
  const rows = Object.keys(COLOURS).flatMap((name) => [0, 1, 2].map((i) => `${name}/${i}.png,${name}`));
  for (const kind of ['folder', 'link', 'link-to-folder'])
    await cp(at('whole'), at(kind), { recursive: true });
  await mkdir(at('folder', 'red', LOCKED));
  await symlink('nowhere.png', at('link', 'red', 'gone.png'));
  await symlink(at('nowhere'), at('link-to-folder', 'red', 'gone'));
  await listed('row', [...rows, 'red/gone.png,red']);
  await listed('row-in-folder', [...rows, `red/${LOCKED}/1.png,red`]);
  await mkdir(at('row-in-folder', 'red', LOCKED));
}, 60_000);
afterAll(() => rm(work, { recursive: true, force: true }));

/** The unreadable files of each folder. */
const LACKS = {
  folder: `red/${LOCKED}`,
  link: 'red/gone.png',
  'link-to-folder': 'red/gone',
  row: 'red/gone.png',
  'row-in-folder': `red/${LOCKED}`,
} as const;
const FOLDERS = ['folder', 'link', 'link-to-folder'] as const;
const ALL = Object.keys(LACKS) as (keyof typeof LACKS)[];

/** Commands with answers or figures about a part: unreadable files are named, and the status is 3. */
const IN_PART: [command: string, data: keyof typeof LACKS, argv: (data: string) => string[]][] = [
  ...FOLDERS.flatMap((data): typeof IN_PART => [
    ['predict', data, (path) => ['predict', at('known'), path]],
    ['predict --json', data, (path) => ['predict', at('known'), path, '--json']],
    ['predict a pattern', data, (path) => ['predict', at('known'), `${path}/**/*.png`]],
  ]),
  ...ALL.flatMap((data): typeof IN_PART => [
    ['eval', data, (path) => ['eval', at('known'), path]],
    ['eval --json', data, (path) => ['eval', at('known'), path, '--json']],
    ['compare', data, (path) => ['compare', at('known'), at('known'), path]],
    [
      'export',
      data,
      (path) => ['export', at('known'), '--to', 'report', '--data', path, '-o', at('card.md')],
    ],
  ]),
  ['demo', 'folder', (path) => ['demo', path, '--encoder', at('encoder'), '-o', at('demo')]],
  // bench reads only the pictures of a list that it draws.
  ...ALL.filter((data) => data !== 'row-in-folder').map((data): (typeof IN_PART)[number] => [
    'bench',
    data,
    (path) => [
      ...['bench', path, '--encoders', at('encoder'), '--methods', 'zero-shot', '--shots', '1'],
      ...['--seeds', '1', '-o', at('bench')],
    ],
  ]),
];

it.each(IN_PART)('%s names what it lacks: %s', { timeout: 60_000 }, async (command, data, argv) => {
  const { status, out, err } = await tip(...argv(at(data)));
  expect(err + (command.endsWith('--json') ? out : '')).toContain(LACKS[data]);
  expect(err).toMatch(/could not be read/);
  expect(status).toBe(3);
  if (command === 'predict --json') {
    const { predictions, failures } = JSON.parse(out);
    expect([predictions.length, failures.length]).toEqual([6, 1]);
  } else if (command === 'eval --json') {
    expect(JSON.parse(out)).toMatchObject({ partial: true, total: 6, failures: [{}] });
  } else if (command !== 'predict a pattern' && command !== 'predict') {
    // The tables of figures also say it.
    const written = command === 'export' ? await readFile(at('card.md'), 'utf8') : '';
    expect(out + written).toMatch(/could not be read/);
  }
});

/** Commands that learn: the classifier is written, has learnt from the readable pictures, unreadable files are named, and the status is 3. */
it.each(
  ALL.flatMap((data): [string, keyof typeof LACKS, string[]][] => [
    ['fit', data, ['fit', data, '-o', 'out', '--encoder', 'encoder']],
    ['add', data, ['add', 'known', data, '-o', 'out']],
    ...(FOLDERS.includes(data as never)
      ? [
          ['add --label', data, ['add', 'known', data, '--label', 'red', '-o', 'out']] as [
            string,
            typeof data,
            string[],
          ],
        ]
      : []),
  ]),
)('%s names what it left out: %s', { timeout: 60_000 }, async (_, data, [command, ...argv]) => {
  await rm(at('out'), { force: true });
  const line = [command!, ...argv.map((word) => (/^-|^red$/.test(word) ? word : at(word)))];
  const { status, out, err } = await tip(...line, '--json');
  expect(status).toBe(3);
  expect(err).toContain('warning:');
  expect(err).toContain(LACKS[data]);
  const told = { code: `${command}/unreadable`, message: expect.stringMatching(/^1 .* could not be read$/) };
  expect(JSON.parse(err.slice(err.lastIndexOf('{"error"')))).toMatchObject({ error: told });
  expect(JSON.parse(out)).toMatchObject({ partial: true, failures: [{}] });
  await using written = await load(at('out'));
  expect(written.data.examples).toHaveLength(JSON.parse(out).examples);
});

it('fit ends with status 3 for a part that is held out for tuning, with 0 for one that it does not use', {
  timeout: 60_000,
}, async () => {
  const broken = async (split: string) => {
    await cp(at('whole'), at(split, 'train'), { recursive: true });
    for (const held of ['val', 'test']) await cp(at('whole'), at(split, held), { recursive: true });
    await writeFile(at(split, split, 'red', 'broken.png'), 'no picture');
    await symlink('nowhere.png', at(split, split, 'red', 'gone.png'));
    const { status, err } = await tip(
      ...['fit', at(split), '-o', at('split'), '--encoder', at('encoder'), '--tune', 'val'],
    );
    return [status, /2 pictures could not be read/.test(err)];
  };
  expect(await broken('train')).toEqual([3, true]);
  expect(await broken('val')).toEqual([3, true]);
  expect(await broken('test')).toEqual([0, false]);
});

it('bench names the unreadable data sets in a folder of data sets', { timeout: 60_000 }, async () => {
  await cp(at('row'), at('sets', 'one'), { recursive: true });
  await writeFile(
    at('sets', 'one', 'index.csv'),
    await readFile(at('row', 'index.csv'), 'utf8').then((text) => text.replace(/\n.*gone.*$/, '')),
  );
  await mkdir(at('sets', LOCKED));
  const { status, err } = await tip(
    ...['bench', at('sets'), '--encoders', at('encoder'), '--methods', 'zero-shot', '--shots', '1'],
    ...['--seeds', '1', '-o', at('bench')],
  );
  expect(err).toMatch(/missing: locked .*: Cannot read .*locked: permission denied/);
  expect(err).toContain('error: 1 data set could not be read');
  expect(status).toBe(3);
});

it('a given folder that cannot be read does not prevent answers for others', async () => {
  await mkdir(at(LOCKED));
  const both = await tip('predict', at('known'), at('whole'), at(LOCKED), '--json');
  expect(JSON.parse(both.out).predictions).toHaveLength(6);
  expect([both.status, both.err]).toEqual([3, expect.stringContaining('could not be read')]);
  const alone = await tip('predict', at('known'), at(LOCKED));
  expect([alone.status, alone.err]).toEqual([
    3,
    expect.stringMatching(/^error: Cannot read .*locked: permission denied/),
  ]);
});

it('sorting refuses a folder that it cannot list, because pictures would be copied twice', async () => {
  const classes = [{ id: 'a', name: LOCKED, promptName: '', prompts: [] }];
  const answer = { picture: at('photos', 'red', '1.png'), id: 'a', rejected: false };
  const sorted = copyByClass([answer], classes, at('sorted'), new AbortController().signal);
  await expect(sorted).rejects.toMatchObject({ code: 'EACCES' });
});

it.each([
  ['studio', () => ['-w', at('ws'), '--no-open', '--encoder', 'hf:nope/nope'], 'ws'],
  [
    'bench',
    () => [at('whole'), '--encoders', `${at('encoder')},hf:nope/nope`, '-o', at('bench-nope')],
    'bench-nope',
  ],
] as const)(
  '%s refuses an encoder that its source does not have before it works',
  async (command, argv, made) => {
    const hub = createServer((_, response) => response.writeHead(404).end()).listen(0, '127.0.0.1');
    await once(hub, 'listening');
    vi.stubEnv('HF_ENDPOINT', `http://127.0.0.1:${(hub.address() as AddressInfo).port}`);
    const { status, out, err } = await tip(command, ...argv());
    vi.unstubAllEnvs();
    hub.close();
    expect([status, out, err]).toEqual([4, '', expect.stringMatching(/^error: .*nope\/nope.*\nhint: /)]);
    expect(existsSync(at(made))).toBe(false);
  },
);

it('serve refuses a classifier whose encoder is not on this machine, and one that cannot be read, by name', async () => {
  const { data } = await load(at('known'));
  for (const id of ['hf:nope/nope', 'clip-vit-b32']) {
    await writeClassifier(at('foreign'), {
      ...data,
      encoder: { ...data.encoder, id, fingerprint: 'f'.repeat(64) },
    });
    const { status, out, err } = await tip('serve', at('known'), at('foreign'), '--port', '0');
    expect([status, out]).toEqual([4, '']);
    expect(err).toContain(`error: ${at('foreign')}: The encoder ${id} is not on this machine`);
    expect(err).toContain(`hint: Get it with: tip-adapter encoders pull ${id}`);
  }
  await writeFile(at('cut'), (await readFile(at('known'))).subarray(0, 999));
  const { status, out, err } = await tip('serve', at('known'), at('cut'), '--port', '0');
  expect([status, out, err]).toEqual([4, '', expect.stringMatching(`^error: ${at('cut')} .*\nhint: `)]);
});
