import { readFileSync } from 'node:fs';
import { encodeImages } from '../src/encoder/encode.ts';
import { loadEncoder } from '../src/encoder/load.ts';
import { sharedEngine } from '../src/engine/shared.ts';
import { photoPaths, tinyClip } from './inputs.ts';

const MIB = 2 ** 20;

/** Resident memory while encoding. It must not grow with the number of pictures. */
export async function benchMemory(): Promise<string[]> {
  const tiny = tinyClip();
  const lines = tiny
    ? [await encoding(tiny.folder, 'tiny CLIP', 10_000)]
    : ['skipped: the tiny CLIP is not there'];
  tiny?.done();
  lines.push(await encoding('resnet50-minilm', 'resnet50-minilm', 1_000));
  await sharedEngine().close();
  return ['Resident memory while encoding', ...lines];
}

async function encoding(name: string, title: string, count: number): Promise<string> {
  const encoder = await loadEncoder(name);
  const { paths, what } = await photoPaths(count);
  const marks: number[] = [];
  let peak = 0;
  const started = performance.now();
  await encodeImages(
    encoder,
    paths.map((path) => ({ id: path, read: async () => readFileSync(path) })),
    {
      onProgress: ({ done }) => {
        const now = process.memoryUsage.rss() / MIB;
        peak = Math.max(peak, now);
        if (done >= ((marks.length + 1) * count) / 4) marks.push(now);
      },
    },
  );
  const seconds = (performance.now() - started) / 1000;
  await encoder.close();
  const quarters = marks.map((mark) => mark.toFixed(0)).join(', ');
  return `  ${title}, ${count} ${what}: peak ${peak.toFixed(0)} MiB; after each quarter ${quarters} MiB; ${((1000 * seconds) / count).toFixed(1)} ms each`;
}
