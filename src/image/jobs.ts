import { createHash } from 'node:crypto';
import { setImmediate as nextTurn } from 'node:timers/promises';
import sharp from 'sharp';
import { decode, thumbnail } from './decode.ts';
import { cropView } from './preprocess.ts';
import type { DecodeOptions, Preprocessing, View } from './types.ts';

/** What is wanted of a picture: crops for an encoder, or a small JPEG. */
export type Job = DecodeOptions &
  (
    | {
        readonly kind: 'load';
        readonly spec: Preprocessing;
        readonly views: readonly View[];
        readonly seed: number | string;
      }
    | { readonly kind: 'thumbnail'; readonly side: number }
  );

/** One picture at a time: the processes are the parallelism. */
sharp.concurrency(1);
sharp.cache(false);

/** libvips has loaders only of the formats that are read, whatever it was built with. */
sharp.block({ operation: ['VipsForeignLoad'] });
sharp.unblock({
  operation: ['Jpeg', 'Png', 'Webp', 'Nsgif', 'Tiff', 'Heif'].map((format) => `VipsForeignLoad${format}`),
});

/** One result for each view, or one small JPEG. Throws as `decode`, and `UsageError` where a crop does not fit. */
export async function runJob(job: Job, bytes: Uint8Array): Promise<Uint8Array[]> {
  if (job.kind === 'thumbnail') return [await thumbnail(bytes, job.side, job)];
  const picture = await decode(bytes, job);
  const sha256 = job.views.some((view) => view > 0) ? createHash('sha256').update(bytes).digest('hex') : '';
  const crops: Uint8Array[] = [];
  for (const view of job.views) {
    crops.push(cropView(picture, job.spec, view, job.seed, sha256).data);
    // Between two crops the process looks whether it is still wanted.
    if (job.views.length > 1) await nextTurn();
  }
  return crops;
}
