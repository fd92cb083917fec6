/** Embeds pictures in this process, as `bench/scale.ts` asks, and prints the seconds. A first run opens the encoder. */
import { embed } from '../src/scale/embed.ts';

const [encoder, warm, source, output] = process.argv.slice(2) as [string, string, string, string];
await embed(warm, { output: `${output}-warm`, encoder, format: 'parquet', unlabelled: true });
const started = performance.now();
await embed(source, { output, encoder, format: 'parquet', unlabelled: true });
console.log((performance.now() - started) / 1000);
