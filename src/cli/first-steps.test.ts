import { existsSync } from 'node:fs';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import sharp from 'sharp';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { writeSmallEncoder } from '../encoder/small-encoder.fixture.ts';
import { recordingIo } from './io.fixture.ts';
import { runCli } from './program.ts';

describe('init', () => {
  const before = process.cwd();
  let root: string;

  beforeAll(async () => {
    root = await mkdtemp(join(tmpdir(), 'init-'));
    vi.stubEnv('TIP_ADAPTER_HOME', join(root, 'home'));
    vi.stubEnv('npm_command', undefined);
    process.chdir(root);
    await writeFile('package.json', '{}');
    await writeSmallEncoder('encoder');
    for (const background of ['red', 'blue']) {
      await mkdir(join('photos', background), { recursive: true });
      for (let i = 0; i < 3; i++) {
        const picture = sharp({ create: { width: 40 + 7 * i, height: 40, channels: 3, background } });
        await picture.png().toFile(join('photos', background, `${i}.png`));
      }
    }
  });
  afterAll(async () => {
    process.chdir(before);
    vi.unstubAllEnvs();
    await rm(root, { recursive: true, force: true });
  });

  /** Runs init with these answers. An empty answer takes the preset. */
  async function init(argv: readonly string[], answers?: readonly (string | undefined)[]) {
    const asked: string[] = [];
    const left = [...(answers ?? [])];
    const io = recordingIo({
      prompt:
        answers &&
        (async (question, preset) => {
          asked.push(`${question} [${preset}]`);
          const answer = left.shift();
          return answer === '' ? preset : answer;
        }),
    });
    const status = await runCli(['init', ...argv], io);
    return { status, out: io.out(), err: io.err(), asked, left };
  }

  it('asks four questions, repeats one after an invalid answer, and runs nothing without consent', async () => {
    const answers = ['nowhere', '', 'clip-vit-b23', '', 'tyr', 'serve', '', 'no'];
    const { status, out, err, asked, left } = await init([], answers);
    expect([status, left]).toEqual([0, []]);
    expect(asked.map((question) => question.split('?')[0])).toEqual([
      'Where are the photos, a folder for each class',
      'Where are the photos, a folder for each class',
      'Which encoder',
      'Which encoder',
      'What is it for',
      'What is it for',
      'Which file for the classifier',
      'Run them now',
    ]);
    expect(asked[0]).toContain('[photos]');
    expect(err).toContain('There is no file or folder nowhere');
    expect(err).toContain('2 classes, 6 pictures.');
    expect(err).toContain('Did you mean "clip-vit-b32"?');
    expect(err).toContain('Did you mean "try"?');
    expect(err).toContain('Nothing was run.');
    expect(out).toBe(
      'The commands:\n  tip-adapter fit photos -o photos.safetensors\n  tip-adapter serve photos.safetensors\n',
    );
    expect(existsSync('photos.safetensors')).toBe(false);
  });

  it('runs the commands after consent', async () => {
    const { status, out, err } = await init(['--encoder', './encoder'], ['', 'try', '', 'yes']);
    expect(status, err).toBe(0);
    expect(out).toMatch(
      /\$ tip-adapter fit photos -o photos.safetensors --encoder .\/encoder\nphotos.safetensors: 2 classes/,
    );
    expect(out).toMatch(/\$ tip-adapter explain photos.safetensors photos.blue.0.png\n.*: blue, /);
    expect(err).toContain('one of the examples');
  });

  it('uses a free name for the file, and asks nothing with --yes', async () => {
    const { status, out, err } = await init(['--encoder', './encoder', '--yes', '-o', 'mine.safetensors']);
    expect(status, err).toBe(0);
    expect(out).toContain('$ tip-adapter explain mine.safetensors');
    expect(existsSync('mine.safetensors')).toBe(true);
    const page = JSON.parse((await init(['photos', '--use', 'page', '--json'])).out);
    expect(page.commands[1].slice(2)).toEqual(['photos-2.safetensors', '--to', 'web']);
    expect(JSON.parse((await init(['--json'])).out).commands[0]).toEqual([
      'tip-adapter',
      'fit',
      'photos',
      '-o',
      'photos-2.safetensors',
    ]);
  });

  it('throws if it cannot ask and has no default', async () => {
    expect(await init([])).toMatchObject({ status: 2, err: expect.stringContaining('there is no terminal') });
    process.chdir('photos');
    try {
      expect(await init(['--yes'])).toMatchObject({
        status: 2,
        err: expect.stringContaining('init photos/ --yes'),
      });
    } finally {
      process.chdir(root);
    }
    expect(await init(['--yes', '--use', 'tyr'])).toMatchObject({
      status: 2,
      err: expect.stringContaining('try, serve, page'),
    });
    expect(await init(['nowhere', '--yes'])).toMatchObject({ status: 3 });
    expect((await init([], [undefined])).status).toBe(130);
  });
});
