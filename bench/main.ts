import { availableParallelism } from 'node:os';
import { machineLine } from './measure.ts';
import { benchPhotos } from './photos.ts';
import { benchScore } from './score.ts';

/** `npm run bench [-- score …]`: each part prints what it measured, and on what. */
const parts: Record<string, () => Promise<string[]>> = {
  score: benchScore,
  photos: benchPhotos,
};

const asked = process.argv.slice(2);
const unknown = asked.filter((name) => !(name in parts));
if (unknown.length > 0) {
  console.error(`There is no benchmark ${unknown.join(', ')}; there are ${Object.keys(parts).join(', ')}.`);
  process.exit(2);
}
console.log(machineLine(availableParallelism()));
for (const name of asked.length > 0 ? asked : Object.keys(parts)) {
  console.log(`\n${(await parts[name]()).join('\n')}`);
}
