import { spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import sharp from 'sharp';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { listEncoders } from '../src/encoder/installed.ts';

const root = join(import.meta.dirname, '..');
const readme = readFileSync(join(root, 'README.md'), 'utf8');
const blocks = [...readme.matchAll(/```ts\n([\s\S]*?)```/g)].map(([, code]) => code);
const encoders = await listEncoders();

/** Runs a block of the README as a program of its own, with the package's names leading to its source. */
function runBlock(code: string, cwd: string): string {
  const source = code.replace(/from 'tip-adapter(\/(\w+))?'/g, (_, path, layer) => {
    return `from '${pathToFileURL(join(root, 'src', path ? `${layer}/index.ts` : 'index.ts'))}'`;
  });
  const file = join(cwd, 'example.mts');
  writeFileSync(file, source);
  const args = ['--import', pathToFileURL(join(root, 'tests/typescript.mjs')).href, file];
  const { status, stdout, stderr } = spawnSync(process.execPath, args, { cwd, encoding: 'utf8' });
  expect(stderr).toBe('');
  expect(status).toBe(0);
  return stdout;
}

describe('the README', () => {
  const cwd = mkdtempSync(join(tmpdir(), 'readme-'));
  beforeAll(async () => {
    for (const [name, background] of Object.entries({ red: '#c02020', blue: '#2020c0' })) {
      mkdirSync(join(cwd, 'photos', name), { recursive: true });
      for (const i of [1, 2]) {
        const picture = sharp({ create: { width: 60 + i, height: 50, channels: 3, background } });
        writeFileSync(join(cwd, 'photos', name, `${i}.jpg`), await picture.jpeg().toBuffer());
      }
    }
    const blue = sharp({ create: { width: 70, height: 70, channels: 3, background: '#2828b8' } });
    writeFileSync(join(cwd, 'new.jpg'), await blue.jpeg().toBuffer());
  });
  afterAll(() => rmSync(cwd, { recursive: true, force: true }));

  it('has two programs', () => expect(blocks.length).toBe(2));

  it.skipIf(encoders.length === 0)(
    'fits, saves, loads and predicts (needs an encoder on this machine)',
    () => {
      expect(runBlock(blocks[0], cwd)).toMatch(/^blue (1|0\.\d+)\n/);
    },
  );

  it('scores plain matrices', () => {
    const numbers = runBlock(blocks[1], cwd)
      .match(/-?\d+\.\d+/g)
      ?.map(Number);
    expect(numbers?.length).toBe(2);
    expect(numbers?.[0]).toBeGreaterThan(numbers?.[1] as number);
  });

  it('names only commands and options that exist', () => {
    const reference = readFileSync(join(root, 'docs/cli.md'), 'utf8');
    const lines = [...readme.matchAll(/^npx tip-adapter (.*)$/gm)].map(([, line]) =>
      line.replace(/ +#.*/, ''),
    );
    expect(lines.length).toBeGreaterThan(5);
    for (const line of lines) {
      expect(reference).toContain(line.split(' ')[0]);
      for (const [option] of line.matchAll(/--[a-z-]+/g)) expect(reference).toContain(option);
    }
  });
});
