import { mkdir, readdir, rename, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import type { Classifier } from '../classifier/classifier.ts';
import { checkEncoder } from '../classifier/encoder-reference.ts';
import { classifierBytes } from '../classifier/file-bytes.ts';
import { withClip } from '../encoder/clip/sessions.ts';
import { textGraph } from '../encoder/clip/towers.ts';
import { ENCODER_FILE } from '../encoder/configuration-files.ts';
import { isWeights } from '../encoder/dual-files.ts';
import { encoderOf } from '../encoder/encoder-of.ts';
import type { LocalEncoder } from '../encoder/installed.ts';
import { loadEncoder, locateEncoder } from '../encoder/load.ts';
import { renderPrompt } from '../encoder/prompts.ts';
import { type EncoderRecord, RECORD_FILE, type RecordedFile } from '../encoder/record.ts';
import type { Encoder } from '../encoder/types.ts';
import { sharedEngine } from '../engine/shared.ts';
import { throwIfAborted, UsageError } from '../errors.ts';
import { toOnnx } from '../graph/onnx.ts';
import type { Preprocessing } from '../image/types.ts';
import { unitRows } from '../math/matrix.ts';
import { sha256 } from '../sha256.ts';
import { diskError } from '../store/atomic.ts';
import { readRegular } from '../store/regular.ts';
import { inTemporaryFolder } from '../store/temporary.ts';
import { SITE_FILE, SITE_FORMAT, type Site } from '../web/site.ts';
import { exportableMethod } from './head.ts';
import { builtTower } from './image-tower.ts';
import { checkDifference, preprocessingOf, trialPicture } from './onnx-export.ts';
import { encodeModel, parseModel } from './onnx-model.ts';
import { withinFile } from './within-file.ts';

/** A file of an exported site: its path in the folder, and its size in bytes. */
export interface SiteFile {
  readonly path: string;
  readonly bytes: number;
}

const CLASSIFIER = 'classifier.safetensors';
const ENCODER = 'encoder/';

/**
 * Writes the folder that `open` of `tip-adapter/web` reads: the classifier, its encoder in ONNX, and `site.json`, which names both with
 * their sizes and hashes. A site that is there already is replaced as a whole. Throws `UsageError` for a classifier of given features, for
 * a method that encodes texts for every picture and for a folder with other files, `ModelError` if the encoder is missing or another one, or
 * answers otherwise in ONNX, and `DataError` if the disk fails or `folder` is a file.
 */
export async function exportSite(
  classifier: Classifier,
  folder: string,
  { signal }: { signal?: AbortSignal } = {},
): Promise<{ files: SiteFile[]; difference: number }> {
  const { data } = classifier;
  exportableMethod(data);
  preprocessingOf(data.encoder);
  await checkTarget(folder);
  const located = await locateEncoder(data.encoder.id, { signal });
  checkEncoder(data.encoder, located.record);
  try {
    await mkdir(dirname(folder), { recursive: true });
    return await inTemporaryFolder(async (temporary) => {
      const staging = join(temporary, 'site');
      const files: SiteFile[] = [];
      const write = async (path: string, content: Uint8Array | string): Promise<RecordedFile> => {
        throwIfAborted(signal);
        const bytes = typeof content === 'string' ? Buffer.from(content) : content;
        const target = join(staging, path);
        await mkdir(dirname(target), { recursive: true });
        await writeFile(target, bytes);
        files.push({ path, bytes: bytes.length });
        return { path, bytes: bytes.length, sha256: sha256(bytes) };
      };
      const own = await write(CLASSIFIER, classifierBytes(data));
      const recorded: RecordedFile[] = [];
      const { record, contents } = await onnxFiles(located);
      for (const [path, content] of contents)
        recorded.push({ ...(await write(`${ENCODER}${path}`, await content())), path });
      const json = (value: EncoderRecord | Site) => `${JSON.stringify(value, null, 2)}\n`;
      const whole = { ...record, files: recorded };
      await write(`${ENCODER}${RECORD_FILE}`, json(whole));
      const difference = await trial(classifier, { record: whole, folder: join(staging, ENCODER) }, signal);
      await write(SITE_FILE, json({ format: SITE_FORMAT, classifier: own, encoder: ENCODER }));
      await rename(folder, join(temporary, 'before')).catch((error) => {
        if (error.code !== 'ENOENT') throw error;
      });
      await rename(staging, folder);
      return { files, difference };
    }, dirname(folder));
  } catch (error) {
    throw diskError(error, folder);
  }
}

/**
 * The largest difference between the classifier with the exported encoder and with its own: of a probability for a trial picture, and of a
 * number in the unit embedding of a prompt, which new classes are learnt from.
 */
async function trial(classifier: Classifier, exported: LocalEncoder, signal?: AbortSignal): Promise<number> {
  const { encoder, classes, templates } = classifier.data;
  const picture = trialPicture(encoder.preprocessing as Preprocessing);
  const prompt = renderPrompt(templates[0] ?? '{}', classes[0]!.promptName);
  const numbers = async (encoder: Encoder) => {
    try {
      const features = await encoder.embedImages([picture], { signal });
      const text = await encoder.embedTexts?.([prompt], { signal });
      const { data } = await classifier.probabilities(features, { signal });
      return [...data, ...(text ? unitRows(text).data : [])];
    } finally {
      await encoder.close();
    }
  };
  const own = await numbers(await loadEncoder(encoder.id, { signal }));
  const got = await numbers(encoderOf(exported.record, exported.folder, sharedEngine()));
  const difference = own.reduce((most, one, i) => Math.max(most, Math.abs(one - got[i]!)), 0);
  checkDifference(difference, encoder.id);
  return difference;
}

/** Refuses everything but an empty folder and a site without further files, because writing a site removes what is there. */
async function checkTarget(folder: string): Promise<void> {
  const there = await readdir(folder).catch((error): string[] => {
    if (error.code === 'ENOENT') return [];
    throw diskError(error, folder);
  });
  const own = [SITE_FILE, CLASSIFIER, ENCODER.slice(0, -1)];
  if (there.length === 0 || (there.includes(SITE_FILE) && there.every((name) => own.includes(name)))) return;
  throw new UsageError(`${folder} has other files, and a site replaces its whole folder`, {
    code: 'export/site-folder',
    hint: 'Give a new folder to --output.',
    details: { folder },
  });
}

/** The files of an encoder whose models are ONNX without external weights, and its record. Towers from weights are built as ONNX. */
async function onnxFiles({ record, folder }: LocalEncoder): Promise<{
  record: EncoderRecord;
  contents: Map<string, () => Promise<Uint8Array>>;
}> {
  const contents = new Map<string, () => Promise<Uint8Array>>();
  const plain = (path: string) => readRegular(join(folder, path), ENCODER_FILE);
  const built = isWeights(record.imageModel);
  for (const { path } of record.files) {
    if (/tokenizer(_config)?\.json$/.test(path)) contents.set(path, () => plain(path));
    else if (!built && path.endsWith('.onnx')) contents.set(path, () => wholeModel(path, folder));
  }
  if (!built) return { record, contents };
  contents.set('image.onnx', () => builtTower(record, folder));
  if (record.kind === 'vision') return { record: { ...record, imageModel: 'image.onnx' }, contents };
  contents.set('text.onnx', () =>
    withClip(record, folder, async (checkpoint, { shape }) => toOnnx(await textGraph(checkpoint, shape))),
  );
  return { record: { ...record, imageModel: 'image.onnx', textModel: 'text.onnx' }, contents };
}

/** An ONNX file with its external weights inside. */
async function wholeModel(path: string, folder: string): Promise<Uint8Array> {
  const bytes = await readRegular(join(folder, path), ENCODER_FILE);
  const model = parseModel(bytes);
  const weights = await Promise.all(
    model.graph.initializers.map((weight) => withinFile(weight, folder, path)),
  );
  if (weights.every((weight, i) => weight === model.graph.initializers[i])) return bytes;
  return encodeModel({ ...model, graph: { ...model.graph, initializers: weights } }, {});
}
