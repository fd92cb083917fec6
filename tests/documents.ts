import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { copyFileSync, mkdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { dirname, join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { type CodeBlock, parseMarkdown } from '../scripts/markdown.mjs';
import { built, MAIN } from './built.ts';

export const root = join(import.meta.dirname, '..');

/** The address of servers in the documents. While they run, a free port replaces its port. */
const PORT = '8080';

/** A block that is run, its expected output, and its output. */
export interface Step {
  readonly block: CodeBlock;
  readonly expected?: CodeBlock;
  readonly printed: string;
  readonly status: number;
}

/** The text of a document, without a carriage return. */
export const read = (page: string) => readFileSync(join(root, page), 'utf8').replaceAll('\r\n', '\n');

/** Blocks of a page by language: `sh`, `ts` and `js` are run; `shell` holds commands that a test cannot run. */
export const blocksOf = (page: string) => parseMarkdown(read(page)).blocks;

/**
 * Runs a page in a folder as its reader does. All `sh` blocks run in one shell, and `npx tip-adapter` and the package's name lead to the
 * compiled sources. A `js` or `ts` block that begins with `// name.mjs` is written to this file; others are run as programs. A `text` block right
 * after a block is its expected output.
 */
export async function runPage(page: string, folder: string, home: string): Promise<Step[]> {
  const text = read(page);
  const lines = text.split('\n');
  const blocks = parseMarkdown(text).blocks;
  linkPackage(folder);
  const port = await freePort();
  const steps: { block: CodeBlock; expected?: CodeBlock; command: string }[] = [];
  blocks.forEach((block, i) => {
    if (!['sh', 'ts', 'js'].includes(block.language)) return;
    const [, name] = /^\/\/ ([\w-]+\.m[jt]s)\n/.exec(block.code) ?? [];
    const file = name ?? `block-${block.line}.mts`;
    if (block.language !== 'sh') writeFileSync(join(folder, file), block.code);
    if (name) return;
    const next = blocks[i + 1];
    const end = block.line + block.code.split('\n').length;
    const between = next?.language === 'text' ? lines.slice(end, next.line - 1) : ['-'];
    const expected = between.every((line) => line.trim() === '') ? next : undefined;
    steps.push({
      block,
      expected,
      command: block.language === 'sh' ? block.code : `node --import "$TIP_HOOK" ${file}\n`,
    });
  });
  const script = steps.map(
    ({ command }) => `${command.replaceAll(PORT, `${port}`)}printf '\\036%s\\036' $?\n`,
  );
  const out = await shell(script.join(''), folder, home);
  const parts = out.replaceAll(`${port}`, PORT).split('\u001e');
  return steps.map(({ block, expected }, i) => ({
    block,
    expected,
    printed: parts[2 * i] ?? '',
    status: Number(parts[2 * i + 1] ?? Number.NaN),
  }));
}

/** Whether an output agrees with a document. A line with only `…` stands for any lines, and times may differ. */
export function isPrinted(printed: string, expected: string): boolean {
  const pattern = plain(expected)
    .split('\n')
    .map((line) => (line === '…' ? '(?:.*\\n)*?' : `${line.replace(/[\\^$.*+?()[\]{}|]/g, '\\$&')}\\n`))
    .join('');
  return new RegExp(`^${pattern}$`).test(`${plain(printed)}\n`);
}

const plain = (text: string) =>
  text
    .replace(/\d+(?:\.\d+)? (m?s|minutes?)(?![a-z])/g, 'N $1')
    .replace(/ +$/gm, '')
    .trimEnd();

/** Makes the commands of the documents available on the path, with the compiled sources in place of an installed package. */
const PROGRAMS: Readonly<Record<string, string>> = {
  node: 'exec "$TIP_NODE" "$@"',
  'tip-adapter': 'exec node "$TIP_MAIN" "$@"',
  npx: 'npm_command=exec exec "$@"',
};

/** Time limit of a page. */
const LIMIT = 300_000;

async function shell(script: string, cwd: string, home: string): Promise<string> {
  const bin = join(home, 'bin');
  mkdirSync(bin, { recursive: true });
  for (const [name, line] of Object.entries(PROGRAMS))
    writeFileSync(join(bin, name), `#!/bin/sh\n${line}\n`, { mode: 0o755 });
  const env = {
    ...process.env,
    PATH: `${bin}:${process.env.PATH}`,
    TIP_NODE: process.execPath,
    TIP_HOOK: pathToFileURL(join(root, 'tests/typescript.mjs')).href,
    TIP_MAIN: MAIN,
    TIP_ADAPTER_HOME: home,
    NODE_OPTIONS: '',
    npm_command: undefined,
  };
  const watched = `while kill -0 ${process.pid}; do sleep 1; done > /dev/null 2>&1; kill -9 -$$`;
  const child = spawn('sh', ['-c', `(${watched}) > /dev/null 2>&1 &\nexec 2>&1\n${script}`], {
    cwd,
    env,
    stdio: ['ignore', 'pipe', 'inherit'],
    detached: true,
  });
  // Processes that a page starts always end with it. The watcher ends them if this process is killed.
  const end = () => child.pid && process.kill(-child.pid, 'SIGKILL');
  const timer = setTimeout(end, LIMIT);
  let out = '';
  child.stdout.setEncoding('utf8').on('data', (text) => {
    out += text;
  });
  await once(child, 'close');
  clearTimeout(timer);
  end();
  return out;
}

/** Makes the package importable for the folder's programs, with the compiled sources in place of the build. */
export function linkPackage(folder: string): void {
  const target = join(folder, 'node_modules/tip-adapter');
  mkdirSync(target, { recursive: true });
  symlinkSync(dirname(built('src/index.ts')), join(target, 'dist'), 'junction');
  copyFileSync(join(root, 'package.json'), join(target, 'package.json'));
  writeFileSync(join(folder, 'package.json'), '{"type":"module"}');
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as { port: number };
  server.close();
  await once(server, 'close');
  return port;
}

/** Writes the outputs of a page's blocks into the page. */
export function updatePage(page: string, steps: readonly Step[]): void {
  const lines = read(page).split('\n');
  for (const { expected, printed } of steps.toReversed())
    if (expected && !isPrinted(printed, expected.code))
      lines.splice(expected.line, expected.code.split('\n').length - 1, ...printed.trimEnd().split('\n'));
  mkdirSync(dirname(join(root, page)), { recursive: true });
  writeFileSync(join(root, page), lines.join('\n'));
}
