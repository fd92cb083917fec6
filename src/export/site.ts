import { createReadStream } from 'node:fs';
import { join } from 'node:path';
import type { Abortable } from '../abort.ts';
import type { Classifier } from '../classifier/classifier.ts';
import { checkEncoder } from '../classifier/encoder-reference.ts';
import { classifierBytes } from '../classifier/file-bytes.ts';
import { locateEncoder } from '../encoder/load.ts';
import { renderPrompt } from '../encoder/prompts.ts';
import { inTemporaryFolder } from '../store/temporary.ts';
import { zipped } from '../store/zip-writer.ts';
import { SITE_FILE, SITE_FORMAT, type Site } from '../web/site.ts';
import { exportableMethod } from './head.ts';
import { checkQuantise, type QuantiseOptions } from './onnx-export.ts';
import { preprocessingOf } from './picture-model.ts';
import { type MeasuredLoss, quantisedEncoder, quantisedIdentity } from './quantised-tower.ts';
import { ENCODER, encoderDifference, writeEncoder } from './site-encoder.ts';
import { checkTarget, type SiteFile, writeFolder } from './site-folder.ts';

const CLASSIFIER = 'classifier.safetensors';

/** An exported site. */
export interface SiteExport {
  readonly files: SiteFile[];
  /** Largest difference between the numbers of the exported encoder and of the one that it was made from, on trial inputs. */
  readonly difference: number;
  /** With `quantise`: the loss by 8-bit weights of the encoder. */
  readonly quantised?: MeasuredLoss;
}

/**
 * Writes the folder that `open` of `tip-adapter/web` reads: the classifier, its encoder in ONNX, and `site.json`, which names both with
 * their sizes and hashes. A site that is there already is replaced as a whole. With `quantise`, the encoder is another one, with a fingerprint
 * of its own, and the classifier refers to it: its examples keep the features of the original encoder. Throws `UsageError` for a classifier of given features, for
 * a method that encodes texts for every picture and for a folder with other files, `ModelError` if the encoder is missing or another one, or
 * answers otherwise in ONNX, and `DataError` if the disk fails or `folder` is a file.
 */
export async function exportSite(
  classifier: Classifier,
  folder: string,
  { quantise = false, data: pictures, signal }: QuantiseOptions & Abortable = {},
): Promise<SiteExport> {
  checkQuantise('pixels', quantise, pictures);
  const { data } = classifier;
  exportableMethod(data);
  preprocessingOf(data.encoder);
  await checkTarget(folder, [SITE_FILE, CLASSIFIER, ENCODER.slice(0, -1)]);
  const located = await locateEncoder(data.encoder.id, { signal });
  checkEncoder(data.encoder, located.record);
  const rounded = quantise
    ? await quantisedEncoder(classifier, located, { data: pictures, signal })
    : undefined;
  // The classifier may refer to a former fingerprint of its encoder. Both records of the quantised one have that of today.
  const encoder = rounded ? { ...data.encoder, ...quantisedIdentity(located.record) } : data.encoder;
  try {
    const { files, made: difference } = await writeFolder(folder, signal, async (write, staging) => {
      const own = await write(CLASSIFIER, classifierBytes({ ...data, encoder }));
      const { record } = await writeEncoder(located, write, rounded?.tower);
      const exported = { record, folder: join(staging, ENCODER) };
      const difference = await encoderDifference(located, exported, {
        prompt: renderPrompt(data.templates[0] ?? '{}', data.classes[0]!.promptName),
        numbers: async (features) => (await classifier.probabilities(features, { signal })).data,
        quantised: rounded?.encoder,
        signal,
      });
      const loss = rounded && { quantised: rounded.measured.loss };
      const site: Site = { format: SITE_FORMAT, classifier: own, encoder: ENCODER, ...loss };
      await write(SITE_FILE, `${JSON.stringify(site, null, 2)}\n`);
      return difference;
    });
    return { files, difference, ...(rounded && { quantised: rounded.measured }) };
  } finally {
    await rounded?.encoder.close();
  }
}

/** The bytes of a zip with the files of a classifier's site. Throws as `exportSite` does. */
export async function exportSiteZip(classifier: Classifier, options: Abortable = {}): Promise<Uint8Array> {
  return inTemporaryFolder(async (temporary) => {
    const folder = join(temporary, 'site');
    const { files } = await exportSite(classifier, folder, options);
    const chunks: Uint8Array[] = [];
    const entries = files.map(({ path }) => ({ name: path, chunks: createReadStream(join(folder, path)) }));
    for await (const chunk of zipped(entries)) chunks.push(chunk);
    return Buffer.concat(chunks);
  });
}
