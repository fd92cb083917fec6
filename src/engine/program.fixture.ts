import { type SpawnSyncReturns, spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';

const src = (path: string) => pathToFileURL(join(import.meta.dirname, '..', path)).href;

/** Runs a program in a process of its own; the paths of its imports are relative to `src`. */
export function runProgram(text: string, args: readonly string[] = []): SpawnSyncReturns<string> {
  const folder = mkdtempSync(join(tmpdir(), 'engine-'));
  const program = join(folder, 'program.mts');
  writeFileSync(
    program,
    text.replace(/from '([^']+)'/g, (_, path) => `from '${src(path)}'`),
  );
  const loader = ['--import', src('../tests/typescript.mjs')];
  try {
    return spawnSync(process.execPath, [...loader, program, ...args], { encoding: 'utf8' });
  } finally {
    rmSync(folder, { recursive: true });
  }
}
