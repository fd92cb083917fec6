import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { fit } from '../src/classifier/index.ts';
import { readDataset } from '../src/dataset/read.ts';
import { BUILTIN_ID } from '../src/encoder/builtin/packages.ts';
import { registerEncoder } from '../src/encoder/registered.ts';
import { CLIP_DEFAULTS } from '../src/encoder/registry.ts';
import { imageSide, sessionOf } from '../src/encoder/tower.ts';
import type { Encoder } from '../src/encoder/types.ts';
import { sharedEngine } from '../src/engine/shared.ts';
import { renderMarkdown } from '../src/report/table.ts';
import { sha256 } from '../src/sha256.ts';
import { PHOTOS } from './inputs.ts';

/** An ONNX model of another image tower, which the caller exports: see docs/encoders.md. */
const TOWER = process.env.TIP_ADAPTER_BENCH_TOWER ?? '';
const SETS = (process.env.TIP_ADAPTER_BENCH_SETS ?? 'eurosat,dtd10,food10,caltech101').split(',');
const SHOTS = [1, 4, 8];
const SEEDS = [1, 2, 3];

interface Row {
  readonly set: string;
  readonly encoder: string;
  /** Mean and range of the accuracy over the seeds, in percent, by shots. */
  readonly cells: readonly string[];
  readonly weights: string;
}

/** Accuracy of `auto` on real photos with two encoders, each alone and joined: mean and range over three draws. */
export async function benchJoined(): Promise<string[]> {
  if (!existsSync(PHOTOS)) return [`skipped: no photos in ${PHOTOS}`];
  if (!existsSync(TOWER)) return ['skipped: TIP_ADAPTER_BENCH_TOWER is not the path of an ONNX model'];
  registerEncoder(efficientNet());
  const rows: Row[] = [];
  for (const set of SETS) {
    const dataset = await readDataset(join(PHOTOS, set));
    for (const encoder of [BUILTIN_ID, 'efficientnet-lite0', `${BUILTIN_ID}+efficientnet-lite0`]) {
      const cells: string[] = [];
      const weights = new Set<string>();
      for (const shots of SHOTS) {
        const scores: number[] = [];
        for (const seed of SEEDS) {
          const classifier = await fit(dataset, { encoder, shots, seed, thumbnails: false });
          scores.push(100 * (await classifier.evaluate(dataset)).accuracy);
          const [, weight] = /^([\d.]+)\*/.exec(classifier.data.encoder.id) ?? [];
          if (weight) weights.add(weight);
          await classifier.close();
        }
        const mean = scores.reduce((a, b) => a + b, 0) / scores.length;
        cells.push(
          `${mean.toFixed(1)} (${Math.min(...scores).toFixed(1)}–${Math.max(...scores).toFixed(1)})`,
        );
      }
      rows.push({ set, encoder, cells, weights: [...weights].join(', ') });
      console.log(JSON.stringify(rows.at(-1)));
    }
  }
  return renderMarkdown({
    rows,
    columns: [
      { title: 'Photos', value: (row: Row) => row.set },
      { title: 'Encoder', value: (row: Row) => row.encoder },
      ...SHOTS.map((k, i) => ({ title: `${k} a class`, value: (row: Row) => row.cells[i]! })),
      { title: 'Weights of the first', value: (row: Row) => row.weights },
    ],
  }).split('\n');
}

/** EfficientNet-Lite0's pooled features, 1,280 numbers, with the preprocessing of its authors. */
function efficientNet(): Encoder {
  const image = sessionOf(() => sharedEngine().load(TOWER));
  const facts = {
    id: 'efficientnet-lite0',
    dimension: 1280,
    preprocessing: {
      resize: 'shortest',
      resizeTo: 256,
      crop: 224,
      filter: 'bicubic',
      channels: 'rgb',
      layout: 'nchw',
      scale: 1,
      mean: [127, 127, 127],
      std: [128, 128, 128],
    },
  } as const;
  return {
    ...facts,
    fingerprint: sha256(`${facts.id} ${JSON.stringify(facts.preprocessing)}`),
    logitScale: 100,
    defaults: CLIP_DEFAULTS,
    licence: 'Apache-2.0',
    source: TOWER,
    ...imageSide({ ...facts, imageModel: TOWER }, image, { outputs: ['image_embeds'] }),
    close: () => image.close(),
  };
}
