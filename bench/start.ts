import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import sharp from 'sharp';
import { fit } from '../src/classifier/index.ts';
import { sampleDataset } from '../src/dataset/sample-dataset.ts';
import { median, ratio } from './measure.ts';

const MAIN = join(import.meta.dirname, '../dist/cli/main.js');
const INDEX = pathToFileURL(join(import.meta.dirname, '../dist/index.js')).href;
const RUNS = 7;

/** Whole processes: `predict` on one picture with the built-in encoder, and `--help`. Needs `npm run build` first. */
export async function benchStart(): Promise<string[]> {
  const folder = mkdtempSync(join(tmpdir(), 'start-'));
  const things = await sampleDataset();
  const classifier = await fit(things, { encoder: 'resnet50-minilm' });
  const file = join(folder, 'things.safetensors');
  await classifier.save(file);
  await classifier.close();
  const known = join(things, 'test/dog/fluent.png');
  const timed = (args: () => string[]) =>
    Array.from({ length: RUNS }, () => {
      const command = args();
      const started = performance.now();
      const { status, stderr } = spawnSync(process.execPath, command, { encoding: 'utf8' });
      if (status !== 0) throw new Error(`${command.join(' ')} failed: ${stderr}`);
      return performance.now() - started;
    });
  const seconds = (times: number[]) =>
    `${(median(times) / 1000).toFixed(2)} s (${(Math.min(...times) / 1000).toFixed(2)}–${(Math.max(...times) / 1000).toFixed(2)})`;
  const fresh: string[] = [];
  for (let i = 0; i < RUNS; i++) {
    const path = join(folder, `new-${i}.png`);
    const background = { r: Math.floor(Math.random() * 256), g: i, b: Date.now() % 256 };
    writeFileSync(
      path,
      await sharp({ create: { width: 300, height: 200, channels: 3, background } })
        .png()
        .toBuffer(),
    );
    fresh.push(path);
  }
  let next = 0;
  const bare = timed(() => ['-e', '0']);
  const against = (what: string, times: number[]) =>
    `${seconds(times)}, ${ratio(times, bare, `${what} / starting Node`)} x starting Node`;
  const lines = [
    `Whole processes, median of ${RUNS}`,
    `  node -e 0                           ${seconds(bare)}`,
    `  import 'tip-adapter'                ${against(
      'import',
      timed(() => ['-e', `import(${JSON.stringify(INDEX)})`]),
    )}`,
    `  --help                              ${against(
      '--help',
      timed(() => [MAIN, '--help']),
    )}`,
    `  predict, picture in feature cache   ${against(
      'predict, cached',
      timed(() => [MAIN, 'predict', file, known]),
    )}`,
    `  predict, picture never seen         ${against(
      'predict, new picture',
      timed(() => [MAIN, 'predict', file, fresh[next++]!]),
    )}   (at most 1.5 s)`,
  ];
  rmSync(folder, { recursive: true, force: true });
  return lines;
}
