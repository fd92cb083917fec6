import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { describe, expect, it, vi } from 'vitest';
import { errorLink } from '../errors.ts';
import { version } from '../version.ts';
import { commands } from './commands/index.ts';
import { recordingIo } from './io.fixture.ts';
import { renderManual } from './manual.ts';
import { runCli } from './program.ts';
import { renderMethods, renderReference } from './reference.ts';

async function run(...argv: string[]) {
  const io = recordingIo();
  const status = await runCli(argv, io);
  return { status, out: io.out(), err: io.err() };
}

describe('runCli', () => {
  it('prints the version', async () => {
    expect(await run('--version')).toEqual({ status: 0, out: `${version}\n`, err: '' });
  });

  it.each([
    [undefined, 'tip-adapter'],
    ['exec', 'npx tip-adapter'],
    ['run-script', 'npx tip-adapter'],
  ])('writes its own name as its user types it (npm_command %s)', async (command, name) => {
    vi.stubEnv('npm_command', command);
    const { out } = await run('--help');
    vi.unstubAllEnvs();
    expect(out).toContain(`\nBegin with: ${name} studio\nOr with: ${name} fit photos/`);
    expect(out).toContain(`\nHelp for a command: ${name} help <command>`);
  });

  it('names every command in its help, no line wider than the terminal', async () => {
    const { status, out } = await run('--help');
    expect(status).toBe(0);
    for (const { name } of commands) expect(out).toMatch(new RegExp(`^ {2}${name.split(' ')[0]} `, 'm'));
    expect(Math.max(...out.split('\n').map((line) => line.length))).toBeLessThanOrEqual(80);
  });

  it.each(commands.map(({ name }) => name))('%s has help with examples', async (name) => {
    const { status, out, err } = await run(...name.split(' '), '--help');
    expect([status, err]).toEqual([0, '']);
    expect(out).toMatch(new RegExp(`Examples:\n.*tip-adapter ${name}`, 's'));
    expect(out).toContain('--quiet');
  });

  it('shows help on stderr if the command is missing', async () => {
    for (const argv of [[], ['encoders']]) {
      const { status, out, err } = await run(...argv);
      expect([status, out]).toEqual([2, '']);
      expect(err).toMatch(/^Usage: tip-adapter/);
    }
  });

  it.each([
    [['fti'], "error: Unknown command 'fti'\nhint: Did you mean fit?\n"],
    [['encoders', 'lits'], "error: Unknown command 'lits'\nhint: Did you mean list?\n"],
    [['fit', 'x', '-o', 'y', '--sead', '1'], "error: Unknown option '--sead'\nhint: Did you mean --seed?\n"],
    [
      ['fit', 'x'],
      /^error: Option -o, --output <file> is missing\nhint: For example: tip-adapter fit .* -o .*\n$/,
    ],
    [['fit', 'x', '--shotz', '3'], "error: Unknown option '--shotz'\nhint: Did you mean --shots?\n"],
    [['fit', '-o', 'y'], /^error: Missing required argument 'data'\nhint: .*\n$/],
    [['info', ''], /^error: Argument <[a-z]+> is empty\nhint: For example: tip-adapter info .*\n/],
    [['predict', 'x', 'a.jpg', ''], /^error: Argument [[<][a-z.]+[\]>] is empty\nhint: For example: .*\n/],
    [
      ['fit', 'x', '-o', 'y', '--shots', '0'],
      /^error: Option --shots cannot be "0": it must be at least 1\nhint: .*\noption\/value: https:.*\n$/,
    ],
    [
      ['fit', 'x', '-o', 'y', '--seed', 'one'],
      /^error: Option --seed cannot be "one": it must be a number\nhint: .*\noption\/value: https:.*\n$/,
    ],
    [
      ['fit', 'x', '-o', 'y', '--tune', 'fold'],
      /^error: Option --tune cannot be "fold": it must be one of .*\nhint: .*\noption\/value: https:.*\n$/,
    ],
    [
      ['predict', 'x', 'y', '--reject', '2'],
      /^error: Option --reject cannot be "2": it must be at most 1\nhint: .*\noption\/value: https:.*\n$/,
    ],
    [['predict', 'x', 'y', '--csv', '--json'], /^\{"error":\{"code":"usage",.*\}\}\n$/],
    [['remove', 'x'], /^error: Neither a class nor an example to remove is given\nhint: .*\n$/],
    [
      ['encoders', 'pull'],
      /^error: Give either the name of an encoder or --from-bundle\nhint: Give a name, such as resnet50-minilm .* clip-vit-b32-q4 .* list.*\n$/,
    ],
    [
      ['encoders', 'pull', 'clip-vit-b32', '--from-bundle', 'carried.zip'],
      /^error: Give either .*\nhint: .* Leave the other name out\.\n$/,
    ],
    [['encoders', 'show', 'clip-vit-b23'], /hint: Did you mean "clip-vit-b32"\?/],
  ])('refuses %j with status 2, once', async (argv, message) => {
    const { status, out, err } = await run(...argv);
    expect([status, out]).toEqual([2, '']);
    if (typeof message === 'string') expect(err).toBe(message);
    else expect(err).toMatch(message);
  });

  it('prints errors as JSON with --json', async () => {
    const { status, err } = await run('info', 'nowhere.safetensors', '--json');
    expect(status).toBe(4);
    const { error } = JSON.parse(err);
    expect(Object.keys(error)).toEqual(['code', 'message', 'hint', 'link']);
    expect(error.message).toContain('nowhere.safetensors');
  });

  it('prints the address of the page about a code, except for typing errors', async () => {
    const { err } = await run('info', 'nowhere.safetensors');
    expect(err).toBe(
      `error: There is no file nowhere.safetensors\nhint: Give a file that tip-adapter fit wrote.\nclassifier/missing: ${errorLink('classifier/missing')}\n`,
    );
    expect((await run('fti')).err).not.toContain('https:');
  });

  it.each([
    [['fti', '--help'], 'fit'],
    [['help', 'fti'], 'fit'],
    [['help', 'encoders', 'lits'], 'list'],
  ])('does not print the help of another command for %j', async (argv, near) => {
    const { status, out, err } = await run(...argv);
    expect([status, out]).toEqual([2, '']);
    expect(err).toContain(`Did you mean ${near}?`);
  });

  it('prints the same help by help and by --help', async () => {
    for (const words of [[], ['fit'], ['encoders'], ['encoders', 'pull'], ['help']]) {
      const asked = await run('help', ...words);
      expect(asked).toEqual({ status: 0, out: (await run(...words, '--help')).out, err: '' });
      expect(asked.out).toMatch(/^Usage: tip-adapter/);
    }
  });

  it('prints the versions of everything that affects results', async () => {
    const { status, out } = await run('--version', '--verbose');
    expect(status).toBe(0);
    expect(
      out
        .split('\n')
        .slice(0, 5)
        .map((line) => line.split(/ {2,}/)[0]),
    ).toEqual([version, 'Node', 'ONNX Runtime', 'sharp', 'libvips']);
    expect(JSON.parse((await run('--version', '--json')).out)).toEqual({ version });
    const wrong = await run('--version', '--verbos');
    expect([wrong.status, wrong.err]).toEqual([2, expect.stringContaining('Did you mean "--verbose"?')]);
  });

  it('prints the origin of an error only with --verbose', async () => {
    expect((await run('info', 'nowhere.safetensors')).err).not.toMatch(/^ {4}at /m);
    expect((await run('info', 'nowhere.safetensors', '--verbose')).err).toMatch(/^ {4}at /m);
  });
});

describe('the manual page', () => {
  const isHere = spawnSync('mandoc', ['-T', 'lint'], { input: '' }).error === undefined;
  it.skipIf(!isHere)('has no fault that mandoc finds (needs mandoc)', () => {
    const { stdout } = spawnSync('mandoc', ['-T', 'lint', '-W', 'warning'], {
      input: readFileSync(new URL('../../man/tip-adapter.1', import.meta.url)),
      encoding: 'utf8',
    });
    // The page has no date, which would change every day.
    expect(stdout.split('\n').filter((line) => line && !/missing date/.test(line))).toEqual([]);
  });
});

describe('the reference pages', () => {
  it.each([
    ['docs/cli.md', renderReference],
    ['docs/methods.md', renderMethods],
    ['man/tip-adapter.1', renderManual],
  ])('%s agrees with the tables (npm run docs)', async (name, render) => {
    const written = await readFile(new URL(`../../${name}`, import.meta.url), 'utf8');
    expect(written.replaceAll('\r\n', '\n')).toBe(await render());
  });
});
