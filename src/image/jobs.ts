import { createHash } from 'node:crypto';
import { setImmediate as nextTurn } from 'node:timers/promises';
import sharp from 'sharp';
import { crop, type Region } from './crop.ts';
import { decode, thumbnail } from './decode.ts';
import { cropView } from './preprocess.ts';
import type { DecodeOptions, Preprocessing, Shares, View } from './types.ts';

/** A job for a decoder: crops of a picture for an encoder, a small JPEG of it, or a PNG of a part. */
export type Job = DecodeOptions &
  (
    | {
        readonly kind: 'load';
        readonly spec: Preprocessing;
        readonly views: readonly View[];
        readonly seed: number | string;
        readonly area?: Shares;
      }
    | { readonly kind: 'thumbnail'; readonly side: number }
    | { readonly kind: 'crop'; readonly region: Region }
  );

/** libvips uses one thread, because several processes already run in parallel. */
sharp.concurrency(1);
sharp.cache(false);

/** Only the loaders of supported formats are left in libvips, even if it was built with others. */
sharp.block({ operation: ['VipsForeignLoad'] });
sharp.unblock({
  operation: ['Jpeg', 'Png', 'Webp', 'Nsgif', 'Tiff', 'Heif'].map((format) => `VipsForeignLoad${format}`),
});

/** Runs a job: returns one result for each view, or one small JPEG or PNG. Throws as `decode`. */
export async function runJob(job: Job, bytes: Uint8Array): Promise<Uint8Array[]> {
  if (job.kind === 'thumbnail') return [await thumbnail(bytes, job.side, job)];
  if (job.kind === 'crop') return [await crop(bytes, job.region, job)];
  const picture = await decode(bytes, job);
  const sha256 = job.views.some((view) => view > 0) ? createHash('sha256').update(bytes).digest('hex') : '';
  const crops: Uint8Array[] = [];
  for (const view of job.views) {
    crops.push(cropView(picture, job.spec, view, job.seed, sha256, job.area).data);
    // Between two crops, the process handles messages and signals, for instance its end.
    if (job.views.length > 1) await nextTurn();
  }
  return crops;
}
