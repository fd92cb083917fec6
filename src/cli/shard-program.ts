import { extname } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { ShardProgram } from '../scale/shard-process.ts';
import { imported } from './extensions.ts';

/** The program that does shards with this number of threads and the extensions of this program. */
export function shardProgram(threads: number): ShardProgram {
  const program = fileURLToPath(new URL(`./shard-worker${extname(import.meta.url)}`, import.meta.url));
  return { program, settings: { threads, modules: imported } };
}
