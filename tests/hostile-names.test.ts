import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { cp, mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import sharp from 'sharp';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { recordingIo } from '../src/cli/io.fixture.ts';
import { runCli } from '../src/cli/program.ts';
import { writeSmallEncoder } from '../src/encoder/small-encoder.fixture.ts';
import { MAIN } from './built.ts';

vi.mock('../src/image/loader.ts', async (original) =>
  (await import('../src/classifier/fake-encoder.fixture.ts')).sharedDecoders(original),
);

/** Control characters that set the clipboard, clear the screen, go back, reverse the text, break the line, and colour by a C1 control. */
const HOSTILE = '\u001b]52;c;cm0=\u0007\u001b[2J\r\b\u202egpj\u2066\n\u2028\u009b31m\u007f';
const RAW = [...HOSTILE].filter((character) => !/[ -~\n]/.test(character));

const onWindows = process.platform === 'win32';

describe.skipIf(onWindows)(
  `names that would control a terminal${onWindows ? ' (skipped: Windows has no such names)' : ''}`,
  () => {
    let work: string;
    const home = process.env.TIP_ADAPTER_HOME;
    const at = (...parts: string[]) => join(work, ...parts);
    const photos = () => at(`photos ${HOSTILE}`);
    const classifier = () => at(`pets ${HOSTILE}.safetensors`);
    const encoder = () => at(`encoder ${HOSTILE}`);
    const picture = () => join(photos(), 'test', 'red', `${HOSTILE}.png`);
    const children: ChildProcess[] = [];

    /** Runs a command and asserts that its output has no control characters except line breaks at the ends of lines. */
    async function tip(...argv: string[]) {
      const io = recordingIo({ lines: [picture()] });
      const status = await runCli(argv, io);
      const { out, err } = { out: io.out(), err: io.err() };
      if (!argv.includes('--csv')) expectClean(out, argv.join(' '));
      expectClean(err, argv.join(' '));
      return { status, out, err };
    }

    function expectClean(text: string, where: string) {
      for (const raw of RAW)
        expect(text, `${JSON.stringify(raw)} in the output of ${where}`).not.toContain(raw);
      expect(text, `a line break of a name in the output of ${where}`).not.toContain('\n\\u2028');
    }

    beforeAll(async () => {
      work = await mkdtemp(join(tmpdir(), 'hostile-names-'));
      process.env.TIP_ADAPTER_HOME = at(`home ${HOSTILE}`);
      await writeSmallEncoder(encoder());
      const colours = { red: '#d02020', blue: '#2040d0', [`green ${HOSTILE}`]: '#20b040' };
      for (const [split, count] of [
        ['train', 3],
        ['test', 2],
      ] as const) {
        for (const [label, background] of Object.entries(colours)) {
          await mkdir(join(photos(), split, label), { recursive: true });
          for (let i = 0; i < count; i++) {
            const name = i === 0 ? HOSTILE : `${split}-${i}`;
            const side = 40 + 8 * i + split.length;
            await sharp({ create: { width: side, height: side, channels: 3, background } })
              .png()
              .toFile(join(photos(), split, label, `${name}.png`));
          }
        }
        await writeFile(join(photos(), split, 'red', `broken ${HOSTILE}.png`), 'no picture');
      }
    });

    afterAll(async () => {
      for (const child of children) child.kill('SIGKILL');
      if (home === undefined) delete process.env.TIP_ADAPTER_HOME;
      else process.env.TIP_ADAPTER_HOME = home;
      await rm(work, { recursive: true, force: true });
    });

    it('fit', async () => {
      const { status, out, err } = await tip('fit', photos(), '-o', classifier(), '--encoder', encoder());
      // One of the pictures is broken.
      expect(status, err).toBe(3);
      expect(out).toContain(
        'pets \\u001b]52;c;cm0=\\u0007\\u001b[2J\\r\\u0008\\u202egpj\\u2066\\n\\u2028\\u009b31m',
      );
      expect(err).toContain('broken \\u001b');
      await tip(
        'fit',
        photos(),
        '-o',
        at('other.safetensors'),
        '--encoder',
        encoder(),
        '--method',
        'zero-shot',
      );
    });

    it.each([
      ['predict', () => [photos()]],
      ['predict', () => [photos(), '--json']],
      ['predict', () => [photos(), '--ndjson']],
      ['predict', () => ['-', '--top', '3']],
      ['predict', () => [picture(), '--copy-to', at(`sorted ${HOSTILE}`)]],
      ['explain', () => [picture()]],
      ['explain', () => [picture(), '--json']],
      ['eval', () => [photos()]],
      ['eval', () => [photos(), '--suspects']],
      ['eval', () => [photos(), '--json']],
      ['eval', () => [photos(), '--report', at(`page ${HOSTILE}.html`)]],
      ['compare', () => [at('other.safetensors'), photos()]],
      ['compare', () => [at('other.safetensors'), photos(), '--json']],
      ['info', () => []],
      ['info', () => ['--json']],
      ['add', () => [picture(), '--label', `new ${HOSTILE}`, '-o', at(`more ${HOSTILE}.safetensors`)]],
      ['remove', () => ['--class', 'blue', '-o', at(`less ${HOSTILE}.safetensors`)]],
      ['export', () => ['--to', 'onnx', '-o', at(`model ${HOSTILE}.onnx`)]],
      ['export', () => ['--to', 'report', '-o', at(`card ${HOSTILE}.md`), '--data', photos()]],
    ] as const)('%s', async (command, rest) => {
      const { status, err } = await tip(command, classifier(), ...rest());
      expect([0, 3], err).toContain(status);
      if (status === 3) expect(err).toMatch(/unreadable|could not be read/);
    });

    it('predict --csv keeps names unchanged for programs, and shows them safely on a terminal', async () => {
      const { out } = await tip('predict', classifier(), picture(), '--csv');
      expect(out).toContain(`"${picture()}"`);
      const terminal = recordingIo({ terminal: true });
      await runCli(['predict', classifier(), picture(), '--csv'], terminal);
      for (const raw of RAW) expect(terminal.out()).not.toContain(raw);
    });

    it('bench', async () => {
      const { status, err } = await tip(
        ...['bench', photos(), '--encoders', encoder(), '--methods', 'zero-shot,tip-adapter'],
        ...['--shots', '1', '--seeds', '1', '-o', at(`bench ${HOSTILE}`)],
      );
      expect(status, err).toBe(3);
    });

    it('encoders, doctor and data check', async () => {
      await tip('data', 'check', photos());
      await tip('data', 'check', photos(), '--json');
      await tip('doctor');
      await tip('doctor', '--json');
      await tip('encoders', 'list');
      await tip('encoders', 'show', encoder());
      await tip('encoders', 'remove', encoder());
      await tip('encoders', 'pull', encoder());
      await tip('encoders', 'bundle', encoder(), at(`bundle ${HOSTILE}.zip`), '--classifier', classifier());
    });

    const missing = () => at(`missing ${HOSTILE}`);
    it.each<[string, () => string[]]>([
      ['a command', () => [HOSTILE]],
      ['fit', () => ['fit', missing(), '-o', at('never')]],
      ['fit', () => ['fit', at(`table ${HOSTILE}.csv`), '-o', at('never')]],
      ['fit', () => ['fit', photos(), '-o', photos()]],
      ['fit', () => ['fit', photos(), '-o', at('never'), '--encoder', missing()]],
      ['fit', () => ['fit', photos(), '-o', at('never'), '--method', HOSTILE]],
      ['fit', () => ['fit', photos(), '-o', at('never'), '--seed', HOSTILE]],
      ['fit', () => ['fit', photos(), '-o', at('never'), '--encoder', encoder(), '--template', HOSTILE]],
      ['fit', () => ['fit', photos(), '-o', at('never'), `--${HOSTILE}`]],
      ['fit', () => ['fit', photos(), '-o', at('never'), '--from-bundle', missing()]],
      ['predict', () => ['predict', missing(), picture()]],
      ['predict', () => ['predict', photos(), picture()]],
      ['predict', () => ['predict', at(`broken ${HOSTILE}.safetensors`), picture()]],
      ['predict', () => ['predict', classifier(), missing()]],
      ['predict', () => ['predict', classifier(), missing(), `${missing()}2`]],
      ['predict', () => ['predict', classifier(), `${at('x')}${HOSTILE}*.jpg`]],
      ['explain', () => ['explain', classifier(), missing()]],
      ['explain', () => ['explain', classifier(), photos()]],
      ['eval', () => ['eval', classifier(), missing()]],
      ['eval', () => ['eval', classifier(), picture()]],
      ['compare', () => ['compare', missing(), classifier(), photos()]],
      ['info', () => ['info', missing()]],
      ['add', () => ['add', classifier(), missing()]],
      ['add', () => ['add', classifier(), missing(), '--label', HOSTILE]],
      ['remove', () => ['remove', classifier(), '--class', HOSTILE]],
      ['remove', () => ['remove', classifier(), '--example', HOSTILE]],
      ['export', () => ['export', classifier(), '-o', classifier()]],
      ['export', () => ['export', classifier(), '-o', photos()]],
      ['bench', () => ['bench', missing()]],
      ['bench', () => ['bench', photos(), '--methods', HOSTILE]],
      ['data', () => ['data', 'check', missing()]],
      ['data', () => ['data', 'check', photos(), '--only', HOSTILE]],
      ['encoders', () => ['encoders', 'show', HOSTILE]],
      ['encoders', () => ['encoders', 'remove', HOSTILE]],
      ['encoders', () => ['encoders', 'bundle', HOSTILE, at('x.zip')]],
      ['encoders', () => ['encoders', 'pull', '--from-bundle', missing()]],
      ['serve', () => ['serve', missing()]],
      ['studio', () => ['studio', missing(), '--no-open', '--workspace', at('session')]],
    ])('%s refuses what is missing, broken, unknown or in the wrong place', async (_, argv) => {
      await writeFile(at(`broken ${HOSTILE}.safetensors`), 'no classifier');
      await writeFile(at(`table ${HOSTILE}.csv`), `path,label\n"${HOSTILE}.png","${HOSTILE}"\n`);
      for (const more of [[], ['--json', '--verbose']]) {
        const { status } = await tip(...argv(), ...more);
        expect(status).toBeGreaterThan(1);
      }
    });

    it('files for people: reports, cards, pages, tables', async () => {
      const written = await readdir(work, { recursive: true });
      const texts = written.filter((path) =>
        /^(page|card|bench [^/]*\/bench).*\.(html|md|json)$/s.test(path),
      );
      expect(texts.length).toBeGreaterThanOrEqual(6);
      for (const path of texts) expectClean(await readFile(at(path), 'utf8'), path);
    });

    it('the logs of serve and studio', async () => {
      await cp(photos(), at('new'), { recursive: true });
      for (const [command, ...args] of [
        ['serve', `pets=${classifier()}`, '--port', '0'],
        ['studio', at('new'), '--no-open', '--encoder', encoder(), '--workspace', at(`session ${HOSTILE}`)],
      ] as const) {
        const child = spawn(process.execPath, [MAIN, command, ...args]);
        children.push(child);
        let told = '';
        child.stderr.setEncoding('utf8').on('data', (text: string) => {
          told += text;
        });
        const ended = once(child, 'close');
        const [address] = (await Promise.race([once(createInterface(child.stdout), 'line'), ended])) as [
          string,
        ];
        expectClean(address, command);
        if (command === 'serve') {
          const model = `${address}/v1/models/pets`;
          const body = await readFile(picture());
          for (const [path, init] of [
            ['', {}],
            ['/examples', {}],
            ['/predict', { method: 'POST', body, headers: { 'content-type': 'image/png' } }],
            ['/explain', { method: 'POST', body, headers: { 'content-type': 'image/png' } }],
            [`/examples?id=${encodeURIComponent(HOSTILE)}`, { method: 'DELETE' }],
            [`/${encodeURIComponent(HOSTILE)}`, {}],
          ] as const) {
            expectClean(await (await fetch(model + path, init)).text(), `serve ${path}`);
          }
        }
        child.kill('SIGTERM');
        await ended;
        expect(told).not.toBe('');
        expectClean(told, command);
      }
    });
  },
);
