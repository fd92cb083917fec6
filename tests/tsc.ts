import { spawnSync } from 'node:child_process';
import { join } from 'node:path';

const root = join(import.meta.dirname, '..');

/** Runs a TypeScript compiler and returns its output, which is empty without errors. */
export function tsc(compiler: string, args: readonly string[], cwd = root): string {
  const { stdout, stderr } = spawnSync(process.execPath, [compiler, ...args], { cwd, encoding: 'utf8' });
  return (stdout + stderr).trim();
}

/** The compiler that builds the package. */
export const TYPESCRIPT = join(root, 'node_modules/typescript/bin/tsc');
