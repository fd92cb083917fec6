import { mkdirSync, mkdtempSync, realpathSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { choice, flag, integer, text, texts } from '../options.ts';
import { configured } from './config.ts';
import { findConfig } from './config-file.ts';
import { recordingIo } from './io.fixture.ts';
import { runCli } from './program.ts';

const before = process.cwd();
let root: string;
beforeEach(() => {
  root = realpathSync(mkdtempSync(join(tmpdir(), 'tip-adapter-config-')));
  mkdirSync(join(root, 'project', 'data', 'deep'), { recursive: true });
  process.chdir(join(root, 'project'));
  write('package.json', { name: 'project' });
});
afterEach(() => {
  process.chdir(before);
  rmSync(root, { recursive: true, force: true });
});

const write = (path: string, value: unknown) => writeFileSync(path, JSON.stringify(value));

async function run(...argv: string[]) {
  const io = recordingIo();
  const status = await runCli(argv, io);
  return { status, out: io.out(), err: io.err() };
}

describe('a config is found', () => {
  const found = async () => (await findConfig(process.cwd()))?.shown;

  it('in the folder or above it, up to the folder with package.json; the nearest one is used', async () => {
    expect(await found()).toBeUndefined();
    write(join(root, 'tip-adapter.json'), {});
    process.chdir('data/deep');
    expect(await found()).toBeUndefined();
    write('../../tip-adapter.json', {});
    expect(await found()).toBe(join('..', '..', 'tip-adapter.json'));
    write('../tip-adapter.json', {});
    expect(await found()).toBe(join('..', 'tip-adapter.json'));
  });

  it('in package.json if there is no file', async () => {
    write('package.json', { name: 'tip-adapter', dependencies: { 'tip-adapter': '0.1.0' } });
    expect(await found()).toBeUndefined();
    write('package.json', { 'tip-adapter': { quiet: true } });
    process.chdir('data');
    expect(await found()).toBe(`the field "tip-adapter" of ${join('..', 'package.json')}`);
    write('tip-adapter.json', {});
    expect(await found()).toBe('tip-adapter.json');
  });

  it('only in the folder itself, if that is outside of a project', async () => {
    rmSync('package.json');
    write('tip-adapter.json', {});
    expect(await found()).toBe('tip-adapter.json');
    process.chdir('data');
    expect(await found()).toBeUndefined();
  });
});

describe('a config sets', () => {
  const table = {
    encoder: text({ help: 'An encoder.', names: 'encoders' }),
    shots: integer({ help: 'Shots.', min: 1 }),
    output: text({ help: 'A file.', value: '<file>' }),
    exif: flag({ help: 'Rotate.', default: true }),
    tune: choice(['folds', 'val'], { help: 'How.' }),
    template: texts({ help: 'Prompts.' }),
  };
  const read = (value: unknown) =>
    configured({ shown: 'tip-adapter.json', folder: process.cwd(), value }, 'fit', {
      table,
      commands: ['fit', 'predict', 'encoders pull'],
    });

  it('options for every command and for one command, which take precedence; sections of other commands are ignored', () => {
    const value = {
      $schema: './schema.json',
      updates: true,
      encoder: 'a',
      device: 'cpu',
      fit: { encoder: 'b', shots: 4, exif: false, template: ['{}'] },
      predict: { anything: 1 },
    };
    expect(read(value)).toEqual({
      values: { encoder: 'b', shots: 4, exif: false, template: ['{}'] },
      fields: { encoder: 'fit.encoder', shots: 'fit.shots', exif: 'fit.exif', template: 'fit.template' },
      updates: true,
    });
    expect(read({ encoder: 'a', quiet: true })).toMatchObject({
      values: { encoder: 'a' },
      fields: { encoder: 'encoder' },
      updates: false,
    });
  });

  it('paths relative to itself', () => {
    process.chdir('data');
    const { values } = configured(
      {
        shown: '',
        folder: join(root, 'project'),
        value: { fit: { output: 'out/x.safetensors', encoder: './mine' } },
      },
      'fit',
      { table, commands: ['fit'] },
    );
    expect(values).toEqual({ output: join('..', 'out', 'x.safetensors'), encoder: join('..', 'mine') });
  });

  it.each([
    [{ encodr: 'a' }, 'has the unknown field encodr', 'Did you mean "encoder"?'],
    [{ fti: {} }, 'has the unknown field fti', 'Did you mean "fit"?'],
    [{ shots: 3 }, 'has the unknown field shots', /^Known are/],
    [{ fit: { shotz: 3 } }, 'has the unknown field fit.shotz', 'Did you mean "shots"?'],
    [{ fit: { shots: 0 } }, 'fit.shots cannot be 0: it must be at least 1', 'Shots.'],
    [{ fit: { tune: 'fold' } }, 'fit.tune cannot be "fold": it must be one of folds, val', 'How.'],
    [{ fit: { exif: 'no' } }, 'fit.exif cannot be "no": it must be true or false', 'Rotate.'],
    [{ fit: { template: 'one' } }, 'fit.template cannot be "one": it must be a list', 'Prompts.'],
    [{ fit: [] }, 'fit must be an object', undefined],
    [null, 'must be an object', undefined],
    [{ import: ['./evil.mjs'] }, 'import names a module', /command line/],
    [{ encoder: './evil.mjs' }, 'encoder names a module', /command line/],
    [{ fit: { output: '../x' } }, 'fit.output leads out of the folder', /command line/],
    [{ fit: { output: '/etc/x' } }, 'fit.output leads out of the folder', /command line/],
    [{ encoder: '../x' }, 'encoder leads out of the folder', /command line/],
  ])('nothing if it is wrong: %j', (value, message, hint) => {
    const error = (() => {
      try {
        return read(value);
      } catch (thrown) {
        return thrown as { message: string; hint?: string };
      }
    })() as { message: string; hint?: string };
    expect(error.message).toContain('tip-adapter.json');
    expect(error.message).toContain(message);
    if (hint instanceof RegExp) expect(error.hint).toMatch(hint);
    else expect(error.hint).toBe(hint);
  });
});

describe('a command', () => {
  it('prefers the command line to the config and the config to defaults, and lists used fields with --verbose', async () => {
    write('tip-adapter.json', { encoder: 'clip-vit-b23', fit: { output: 'x.safetensors', shots: 0 } });
    expect((await run('fit', 'nowhere')).err).toContain('tip-adapter.json: fit.shots cannot be 0');
    write('tip-adapter.json', { encoder: 'clip-vit-b23', fit: { output: 'x.safetensors', shots: 2 } });
    expect((await run('fit', 'nowhere')).err).toContain('Did you mean "clip-vit-b32"?');
    const typed = await run('fit', 'nowhere', '--encoder', 'auto', '--verbose');
    expect(typed.err).toMatch(
      /^From tip-adapter.json: fit.output, fit.shots\nerror: There is no file or folder/,
    );
    expect((await run('fit', 'nowhere', '--encoder', 'auto')).err).not.toContain('From');
  });

  it('accepts the options of a configured method', async () => {
    write('tip-adapter.json', { fit: { method: 'gda', shrinkage: 'much' } });
    const { err } = await run('fit', 'nowhere', '-o', 'x');
    expect(err).toContain('tip-adapter.json: fit.shrinkage cannot be "much": it must be a number');
  });

  it('can turn off a configured flag', async () => {
    write('tip-adapter.json', { info: { json: true } });
    expect((await run('info', 'nowhere')).err).toMatch(/^\{"error"/);
    expect((await run('info', 'nowhere', '--no-json')).err).toMatch(/^error: /);
  });

  it('prints its help also with a wrong config', async () => {
    writeFileSync('tip-adapter.json', '{');
    expect((await run('fit', '--help')).status).toBe(0);
    expect(await run('fit', 'nowhere', '-o', 'x')).toMatchObject({
      status: 2,
      err: expect.stringContaining('tip-adapter.json cannot be used: it is not JSON'),
    });
  });
});
