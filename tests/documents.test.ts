import { spawnSync } from 'node:child_process';
import { cpSync, existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync, symlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { sampleDataset } from '../src/dataset/sample-dataset.ts';
import { findEncoder } from '../src/encoder/installed.ts';
import { commandFault } from './command-lines.ts';
import { blocksOf, isPrinted, read, root, runPage, updatePage } from './documents.ts';

const docs = readdirSync(join(root, 'docs'), { recursive: true, encoding: 'utf8' })
  .map((name) => `docs/${name.replaceAll('\\', '/')}`)
  .filter((name) => name.endsWith('.md'));
const PAGES = ['README.md', 'CONTRIBUTING.md', 'SECURITY.md', ...docs].sort();

/** Pages that this test runs block by block, each in its own folder. */
const RUN = PAGES.filter(
  (page) => page === 'README.md' || /^docs\/(?:zh\/)?(?:tutorials\/|first-classifier)/.test(page),
);
/** Pages whose blocks other tests run. */
const RUN_ELSEWHERE: Readonly<Record<string, string>> = {
  'docs/adaptation.md': 'src/classifier/adapted.test.ts',
  'docs/server.md': 'src/server/docs.test.ts',
  'docs/extending.md': 'tests/extensions.test.ts',
  'docs/export.md': 'src/export/export.test.ts',
  'docs/web.md': 'tests/web/web.test.ts',
};
/** Languages whose blocks no test runs: data, output, configuration, and commands that need something that a test does not have. */
const NOT_RUN = ['text', 'json', 'csv', 'ini', 'dockerfile', 'yaml', 'shell', 'python'];
/** Whether to write outputs into the pages instead of comparing them. */
const UPDATE = process.env.TIP_ADAPTER_UPDATE_DOCUMENTS === '1';

const hasShell = spawnSync('sh', ['-c', 'curl --version']).status === 0;
const builtIn = await findEncoder('resnet50-minilm');
const missing = [
  ...(hasShell ? [] : ['a shell with curl']),
  ...(builtIn ? [] : ['the built-in encoder on this machine']),
];

describe('code blocks of the documents', () => {
  it('are run by a test, or marked as not run by their language', () => {
    for (const page of PAGES)
      for (const { language, line } of blocksOf(page)) {
        const isRun = RUN.includes(page) || page in RUN_ELSEWHERE;
        const known = isRun ? ['sh', 'ts', 'js', ...NOT_RUN] : NOT_RUN;
        expect(known, `${page}:${line}: ${language || 'no language'}`).toContain(language);
      }
    for (const test of Object.values(RUN_ELSEWHERE)) expect(existsSync(join(root, test)), test).toBe(true);
  });

  it('have comments on lines of their own, which a shell without comments does not take for arguments', () => {
    // zsh, as macOS has it, and the Command Prompt of Windows know no comments when a person types, and zsh waits for the end of a quotation.
    for (const page of PAGES)
      for (const { language, code, line } of blocksOf(page)) {
        if (language !== 'sh' && language !== 'shell') continue;
        for (const text of code.split('\n')) {
          const where = `${page}:${line}: ${text}`;
          if (text.startsWith('#')) expect(text, where).not.toMatch(/['"`;|&<>$]/);
          else expect(text, where).not.toMatch(/\s#\s/);
        }
      }
  });

  it('name only commands, options and values that exist', async () => {
    const lines = PAGES.flatMap((page) =>
      blocksOf(page)
        .filter(({ language }) => language === 'sh' || language === 'shell')
        .flatMap(({ code }) =>
          [...code.matchAll(/(?:^|[;|&] *|npx |= *)tip-adapter ([^#|&\n]*)/gm)].map(([, line]) => ({
            page,
            line: line!.trim(),
          })),
        ),
    );
    expect(lines.length).toBeGreaterThan(60);
    for (const { page, line } of lines)
      expect(await commandFault(line), `${page}: tip-adapter ${line}`).toBeUndefined();
  });
});

describe.skipIf(missing.length > 0)(
  `pages that are run (${missing.length > 0 ? `skipped: this needs ${missing.join(' and ')}` : 'with the built-in encoder'})`,
  { timeout: 480_000 },
  () => {
    let folder: string;
    let home: string;
    /** A home with only the built-in encoder, because outputs depend on the installed encoders. */
    beforeAll(async () => {
      folder = mkdtempSync(join(tmpdir(), 'documents-'));
      home = join(folder, 'home');
      mkdirSync(join(home, 'encoders'), { recursive: true });
      symlinkSync(builtIn?.folder as string, join(home, 'encoders/resnet50-minilm'), 'junction');
      const samples = dirname(dirname(await sampleDataset()));
      symlinkSync(samples, join(home, 'samples'), 'junction');
    }, 240_000);
    afterAll(() => rmSync(folder, { recursive: true, force: true }));

    it.each(RUN)('%s', async (page) => {
      const cwd = join(folder, page.replace(/\W/g, '-'));
      mkdirSync(cwd, { recursive: true });
      if (page === 'README.md') await writePhotos(cwd);
      const steps = await runPage(page, cwd, home);
      if (UPDATE) updatePage(page, steps);
      for (const { block, expected, printed, status } of steps) {
        const where = `${page}:${block.line}\n${block.code}\n${printed}`;
        expect(status === 0, where).toBe(!/^error: /m.test(expected?.code ?? ''));
        if (!expected) continue;
        if (!isPrinted(printed, expected.code)) expect(printed, where).toBe(UPDATE ? printed : expected.code);
      }
    });
  },
);

describe('the sidebar of the site', () => {
  const config = read('site/.vitepress/config.mjs');
  it('has every page', () => {
    const groups = config.slice(config.indexOf('const english'));
    for (const page of docs.map((name) => name.slice('docs/'.length, -'.md'.length)))
      if (!/(?:^|\/)index$/.test(page)) expect(groups).toContain(`'${page}'`);
  });

  it('has every entry of the package that a program imports', () => {
    const entries = /const ENTRIES = \[([^\]]*)\]/.exec(config)?.[1];
    const { exports } = JSON.parse(read('package.json'));
    for (const entry of Object.keys(exports))
      if (!['.', './web-worker', './package.json'].includes(entry))
        expect(entries).toContain(`'${entry.slice('./'.length)}'`);
  });
});

describe('the results in README', () => {
  it('are those of docs/results.md', () => {
    const numbers = (row: string) => [...row.matchAll(/\b\d\d\.\d\d\b/g)].map(([number]) => number);
    const rows = (page: string) =>
      [...read(page).matchAll(/^\| \**([\w-]+).*$/gm)].map(([row, name]) => ({
        name,
        numbers: numbers(row),
      }));
    const shown = rows('README.md').filter((row) => row.numbers.length > 0);
    expect(shown.map(({ name }) => name)).toEqual(['zero-shot', 'Tip-Adapter', 'Tip-Adapter-F', 'auto']);
    for (const row of shown) expect(rows('docs/results.md')).toContainEqual(row);
  });
});

describe('the comparison of outputs', () => {
  it.each([
    ['in 1.2 s\n', 'in 17 s\n', true],
    ['a\nb\nc\n', 'a\n…\nc\n', true],
    ['a\nc\n', 'a\n…\nc\n', true],
    ['a\nb\n', 'a\n', false],
    ['94%', '95%', false],
    ['3 shots', '4 shots', false],
    ['a.b', 'axb', false],
  ])('of %j with %j', (printed, expected, same) => expect(isPrinted(printed, expected)).toBe(same));
});

/** The files that README expects: photos by class, photos to test on, and a new photo. */
async function writePhotos(folder: string): Promise<void> {
  const things = await sampleDataset();
  for (const animal of ['cat', 'dog', 'owl']) {
    cpSync(join(things, 'train', animal), join(folder, 'photos', animal), { recursive: true });
    cpSync(join(things, 'test', animal), join(folder, 'test-photos', animal), { recursive: true });
  }
  for (const name of ['new.jpg', 'rabbit1.jpg', 'rabbit2.jpg', 'inbox/1.jpg']) {
    const thing = name.startsWith('rabbit')
      ? `train/rabbit/${name.includes('1') ? 'noto' : 'twemoji'}`
      : 'test/owl/fluent';
    cpSync(join(things, `${thing}.png`), join(folder, name));
  }
}
