import { type SpawnSyncReturns, spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { built } from '../../tests/built.ts';

const src = (path: string) => pathToFileURL(built(join('src', path))).href;

/** Runs a program in a process of its own; the paths of its imports are relative to `src`. */
export function runProgram(text: string, args: readonly string[] = []): SpawnSyncReturns<string> {
  const folder = mkdtempSync(join(tmpdir(), 'engine-'));
  const program = join(folder, 'program.mjs');
  writeFileSync(
    program,
    text.replace(/from '([^']+)'/g, (_, path) => `from '${src(path)}'`),
  );
  try {
    return spawnSync(process.execPath, [program, ...args], { encoding: 'utf8' });
  } finally {
    rmSync(folder, { recursive: true });
  }
}
