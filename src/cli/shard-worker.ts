/** The process in which a worker does shards. Its argument has the number of threads, and the modules to import. */
import { createEngine } from '../engine/node.ts';
import { setSharedEngine } from '../engine/shared.ts';
import { openWork } from '../scale/open-work.ts';
import { serveShards } from '../scale/serve-shards.ts';

const { threads, modules } = JSON.parse(process.argv[2]!) as { threads: number; modules: readonly string[] };
setSharedEngine(createEngine({ threads, note: (line) => process.stderr.write(`${line}\n`) }));
if (modules.length > 0) {
  const { importExtensions } = await import('./extensions.ts');
  for (const module of modules) await importExtensions(module);
}
serveShards(openWork);
