import { createHash } from 'node:crypto';
import { parentPort } from 'node:worker_threads';
import sharp from 'sharp';
import { TipAdapterError } from '../errors.ts';
import { decode, thumbnail } from './decode.ts';
import type { ImageAnswer, ImageJob } from './loader.ts';
import { cropView } from './preprocess.ts';

/** One picture at a time: the pool's threads are the parallelism. */
sharp.concurrency(1);
sharp.cache(false);

/** Never asked for (`decode` looks at the first bytes), and never to be reached by a file that begins as something else. */
sharp.block({ operation: ['VipsForeignLoadSvg', 'VipsForeignLoadPdf', 'VipsForeignLoadMagick'] });

/** libheif prints what it thinks of a damaged picture; standard output is for the program's data. */
console.log = () => {};

parentPort?.on('message', async (job: ImageJob) => {
  try {
    const results = await work(job);
    parentPort?.postMessage(
      { id: job.id, results } satisfies ImageAnswer,
      results.map((bytes) => bytes.buffer as ArrayBuffer),
    );
  } catch (error) {
    const { name, message } = error as Error;
    const known =
      error instanceof TipAdapterError ? { code: error.code, hint: error.hint, details: error.details } : {};
    parentPort?.postMessage({ id: job.id, error: { name, message, ...known } } satisfies ImageAnswer);
  }
});

async function work(job: ImageJob): Promise<Uint8Array[]> {
  const { bytes, maxPixels } = job;
  if (job.kind === 'thumbnail') return [await thumbnail(bytes, job.side, { maxPixels })];
  const picture = await decode(bytes, { exif: job.exif, maxPixels });
  const sha256 = job.views.some((view) => view > 0) ? createHash('sha256').update(bytes).digest('hex') : '';
  return job.views.map((view) => cropView(picture, job.spec, view, job.seed, sha256).data);
}
