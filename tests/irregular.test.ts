import { type ChildProcess, fork, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, openSync, readFileSync } from 'node:fs';
import { cp, lstat, mkdir, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import sharp from 'sharp';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { writeSmallEncoder } from '../src/encoder/small-encoder.fixture.ts';
import { built, MAIN } from './built.ts';

/** Time limit after which a command counts as hanging. */
const SECONDS = 20;
/** Limit of resident memory for a command on such a file. */
const MOST_BYTES = 1.5e9;

/** Things with a file's name that are not readable regular files. */
const KINDS: Record<string, (path: string) => unknown> = {
  'a link to /dev/zero': (path) => symlink('/dev/zero', path),
  'a link to /dev/full': (path) => symlink('/dev/full', path),
  'a named pipe': (path) => spawnSync('sh', ['-c', 'mkfifo "$0"', path]),
  'a folder': (path) => mkdir(path),
  'a socket': (path) => once(createServer().listen(path).unref(), 'listening'),
  // The superuser ignores permissions, but this file refuses every reader.
  'a file that refuses to be read': (path) => symlink('/proc/self/mem', path),
};

let work: string;
let child: ChildProcess;
const at = (...parts: string[]) => join(work, ...parts);

interface Outcome {
  readonly status: number;
  readonly out: string;
  readonly err: string;
}

/** Runs a command in its own process, which is killed if it hangs or exceeds the memory limit. */
async function tip(...argv: string[]): Promise<Outcome> {
  if (!child?.connected) {
    child = fork(built('tests/commands.fixture.ts'), {
      execArgv: [],
      env: { ...process.env, TIP_ADAPTER_HOME: at('home') },
    });
  }
  const running = child;
  const over = new AbortController();
  const { signal } = over;
  let most = 0;
  const watch = setInterval(() => {
    const status = existsSync(`/proc/${running.pid}/status`)
      ? readFileSync(`/proc/${running.pid}/status`, 'utf8')
      : '';
    most = Math.max(most, 1024 * Number(/VmRSS:\s*(\d+)/.exec(status)?.[1] ?? 0));
    if (most > MOST_BYTES) running.kill('SIGKILL');
  }, 20);
  const limit = setTimeout(() => running.kill('SIGKILL'), SECONDS * 1000);
  try {
    running.send(argv);
    const [answer] = await Promise.race([
      once(running, 'message', { signal }),
      once(running, 'exit', { signal }).then(() => []),
    ]);
    return (
      answer ?? { status: -1, out: '', err: `was ended, ${Math.round(most / 1e6)} MB: ${argv.join(' ')}` }
    );
  } finally {
    clearInterval(watch);
    clearTimeout(limit);
    over.abort();
  }
}

async function picture(path: string, background: string): Promise<void> {
  await mkdir(dirname(path), { recursive: true });
  await sharp({ create: { width: 40, height: 40, channels: 3, background } })
    .png()
    .toFile(path);
}

describe.skipIf(process.platform !== 'linux')('a path that is not a regular file', () => {
  beforeAll(async () => {
    work = await mkdtemp(join(tmpdir(), 'irregular-'));
    await writeSmallEncoder(at('encoder'));
    for (const colour of ['red', 'blue'])
      for (const n of [1, 2]) await picture(at('photos', colour, `${n}.png`), colour);
    const fitted = await tip('fit', at('photos'), '-o', at('good'), '--encoder', at('encoder'));
    expect(fitted).toMatchObject({ status: 0 });
  });
  afterAll(async () => {
    child?.kill();
    await rm(work, { recursive: true, force: true });
  });

  /** Command lines, each after the name of its irregular file. `x` stands for the file's path. */
  const COMMANDS: [name: string, argv: (x: string) => string[]][] = [
    ['x.safetensors', (x) => ['info', x]],
    ['x.safetensors', (x) => ['predict', x, at('photos', 'red', '1.png')]],
    ['x.safetensors', (x) => ['eval', x, at('photos')]],
    ['x.safetensors', (x) => ['add', x, at('photos')]],
    ['x.safetensors', (x) => ['remove', x, '--class', 'red']],
    ['x.safetensors', (x) => ['compare', x, at('good'), at('photos')]],
    ['x.safetensors', (x) => ['export', x, '-o', at('x.onnx')]],
    ['x.safetensors', (x) => ['serve', x]],
    ['x.jpg', (x) => ['predict', at('good'), x]],
    ['x.jpg', (x) => ['explain', at('good'), x]],
    ['x.jpg', (x) => ['add', at('good'), x, '--label', 'red', '-o', at('never')]],
    ['x.csv', (x) => ['fit', x, '-o', at('never'), '--encoder', at('encoder')]],
    ['x.jsonl', (x) => ['eval', at('good'), x]],
    ['x.zip', (x) => ['fit', x, '-o', at('never'), '--encoder', at('encoder')]],
    ['x.zip', (x) => ['eval', at('good'), x]],
    ['x.csv', (x) => ['fit', at('photos'), '-o', at('never'), '--classes', x, '--encoder', at('encoder')]],
    ['x.zip', (x) => ['encoders', 'pull', '--from-bundle', x]],
    ['dump/info.json', (x) => ['eval', at('good'), dirname(x)]],
    ['dump/train.npy', (x) => ['bench', dirname(x), '--shots', '1']],
    ['dump/train.safetensors', (x) => ['bench', dirname(x), '--shots', '1']],
    ['listed/index.csv', (x) => ['fit', dirname(x), '-o', at('never'), '--encoder', at('encoder')]],
    ['coop/split_zhou_x.json', (x) => ['fit', dirname(x), '-o', at('never'), '--encoder', at('encoder')]],
    ...['config.json', 'preprocessor_config.json', 'tokenizer.json', 'vision_model.onnx', 'encoder.json'].map(
      (file): [string, (x: string) => string[]] => [
        `encoder/${file}`,
        (x) => ['fit', at('photos'), '-o', at('never'), '--encoder', dirname(x)],
      ],
    ),
    ['weights/model.safetensors', (x) => ['fit', at('photos'), '-o', at('never'), '--encoder', dirname(x)]],
  ];

  describe.each(Object.entries(KINDS))('%s', (_, make) => {
    it.each(COMMANDS)('as %s is refused by name: %s', { timeout: 3e4 }, async (name, argv) => {
      const folder = await mkdtemp(at('try-'));
      const x = join(folder, name);
      if (name.startsWith('encoder/')) await cp(at('encoder'), dirname(x), { recursive: true });
      if (name.startsWith('weights/')) {
        await mkdir(dirname(x));
        await cp(at('encoder', 'tokenizer.json'), join(dirname(x), 'tokenizer.json'));
      }
      await mkdir(dirname(x), { recursive: true });
      if (name.startsWith('dump/')) {
        await writeFile(join(dirname(x), 'info.json'), '{"classes": ["red", "blue"]}');
        await writeFile(join(dirname(x), 'test.npy'), '');
      }
      await rm(x, { force: true });
      await make(x);
      const { status, err } = await tip(...argv(x));
      expect(err).toMatch(/^error: /m);
      expect(err).not.toMatch(/should not have happened|was ended/);

      // 2 if a folder would be overwritten.
      expect([2, 3, 4]).toContain(status);
    });
  });

  it('in folders of pictures is left out and named, and the other pictures are used', async () => {
    const folder = at('mixed');
    await cp(at('photos'), folder, { recursive: true });
    for (const [i, make] of Object.values(KINDS).entries()) await make(join(folder, 'red', `${i + 5}.png`));
    const fitted = await tip('fit', folder, '-o', at('mixed.safetensors'), '--encoder', at('encoder'));
    expect(fitted).toMatchObject({ status: 3, out: expect.stringContaining('2 classes, 4 examples') });
    expect(fitted.err).toMatch(
      /3 links are not followed.*2 files or folders cannot be read and are left out/s,
    );
    const predicted = await tip('predict', at('good'), folder, '--json');
    expect(predicted.status).toBe(3);
    expect(JSON.parse(predicted.out).predictions).toHaveLength(4);
    expect(predicted.err).toContain('red/7.png: it is a pipe');
    expect(predicted.err).toContain('3 links are not followed');
    expect(JSON.parse(predicted.out).failures).toHaveLength(2);
  });

  describe.each(Object.entries(KINDS).slice(0, 3))('%s', (_, make) => {
    it('is not overwritten', async () => {
      const folder = await mkdtemp(at('out-'));
      const output = join(folder, 'x.safetensors');
      await make(output);
      const before = await lstat(output);
      const { status, err } = await tip('fit', at('photos'), '-o', output, '--encoder', at('encoder'));
      expect([status, err]).toEqual([
        2,
        expect.stringMatching(/is a (pipe|device), but the output must be a file/),
      ]);
      expect((await lstat(output)).ino).toBe(before.ino);
    });

    it('in the place of a lock is refused by name', async () => {
      const folder = await mkdtemp(at('lock-'));
      const classifier = join(folder, 'x.safetensors');
      await cp(at('good'), classifier);
      await make(`${classifier}.lock`);
      const { status, err } = await tip('remove', classifier, '--class', 'red');
      expect([status, err]).toEqual([
        3,
        expect.stringMatching(/lock is a (pipe|device), not a regular file/),
      ]);
    });
  });

  it('is refused as a list of pictures on stdin that never ends', async () => {
    const reading = spawn(process.execPath, [MAIN, 'predict', at('good'), '-'], {
      stdio: [openSync('/dev/zero', 'r'), 'ignore', 'pipe'],
      timeout: SECONDS * 1000,
    });
    let err = '';
    reading.stderr?.setEncoding('utf8').on('data', (text: string) => {
      err += text;
    });
    const [status] = await once(reading, 'close');
    expect(err).toMatch(/^error: Stdin has a line of more than/);
    expect(status).toBe(3);
  });
});
