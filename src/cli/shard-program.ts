import { fileURLToPath } from 'node:url';
import { EXTENSION } from '../own-programs.ts';
import type { ShardProgram } from '../scale/shard-process.ts';
import { imported } from './extensions.ts';

/** The program that does shards with this number of threads and the extensions of this program. */
export function shardProgram(threads: number): ShardProgram {
  const program = fileURLToPath(new URL(`./shard-worker${EXTENSION}`, import.meta.url));
  return { program, settings: { threads, modules: imported } };
}
