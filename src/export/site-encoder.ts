import { join, win32 } from 'node:path';
import { withClip } from '../encoder/clip/sessions.ts';
import { textGraph } from '../encoder/clip/towers.ts';
import { ENCODER_FILE } from '../encoder/configuration-files.ts';
import { isWeights } from '../encoder/dual-files.ts';
import { encoderOf } from '../encoder/encoder-of.ts';
import type { LocalEncoder } from '../encoder/installed.ts';
import { type EncoderRecord, RECORD_FILE, type RecordedFile } from '../encoder/record.ts';
import type { Encoder } from '../encoder/types.ts';
import '../engine/node.ts';
import { sharedEngine } from '../engine/shared.ts';
import { toOnnx } from '../graph/onnx.ts';
import { type Matrix, unitRows } from '../math/matrix.ts';
import { readRegular } from '../store/regular.ts';
import type { ImageTower } from './image-tower.ts';
import { builtTower } from './local-tower.ts';
import { encodeModel, parseModel } from './onnx-model.ts';
import { checkDifference, trialPicture } from './onnx-trial.ts';
import { quantisedIdentity } from './quantised-tower.ts';
import type { WriteFile } from './site-folder.ts';
import { withinFile } from './within-file.ts';

/** The folder of the encoder in a site. */
export const ENCODER = 'encoder/';

/** Writes an encoder in ONNX into a site, with a quantised image tower if one is given. Returns its record there, and the record's file. */
export async function writeEncoder(
  located: LocalEncoder,
  write: WriteFile,
  quantised?: ImageTower,
): Promise<{ record: EncoderRecord; written: RecordedFile }> {
  const plain = await onnxFiles(located);
  const { record, contents } = quantised ? withTower(plain, quantised) : plain;
  const files: RecordedFile[] = [];
  for (const [path, content] of contents)
    files.push({ ...(await write(`${ENCODER}${path}`, await content())), path });
  const whole = { ...withoutPath(record), files };
  const written = await write(`${ENCODER}${RECORD_FILE}`, `${JSON.stringify(whole, null, 2)}\n`);
  return { record: whole, written };
}

/**
 * The record of an encoder in a folder names only the folder, because its path is of no use to the readers of the site, and should not be
 * shown to them.
 */
function withoutPath(record: EncoderRecord): EncoderRecord {
  const folder = record.source;
  // Paths of Windows may have come from another machine. `win32` also recognises those of other systems.
  if (!win32.isAbsolute(folder)) return record;
  const name = `./${win32.basename(folder)}`;
  return { ...record, id: record.id.replace(folder, name), source: name };
}

/**
 * The largest difference between an exported encoder and the one that it was made from: of the `numbers` that a trial picture's features
 * [1, d] give, and of a number in the unit embedding of a prompt, which new classes are learnt from. Throws `ModelError` if it is too large.
 */
export async function encoderDifference(
  original: LocalEncoder,
  exported: LocalEncoder,
  {
    prompt,
    numbers,
    quantised,
    signal,
  }: {
    prompt: string;
    numbers(features: Matrix): Promise<ArrayLike<number>>;
    /** The encoder that embeds the picture in place of the original one. */
    quantised?: Encoder;
    signal?: AbortSignal;
  },
): Promise<number> {
  const { id, preprocessing } = original.record;
  const picture = trialPicture(preprocessing);
  const all = async (encoder: Encoder, images = encoder) => {
    try {
      const features = await images.embedImages([picture], { signal });
      const text = await encoder.embedTexts?.([prompt], { signal });
      return [...Array.from(await numbers(features)), ...(text ? unitRows(text).data : [])];
    } finally {
      await encoder.close();
    }
  };
  const opened = ({ record, folder }: LocalEncoder) => encoderOf(record, folder, sharedEngine());
  const own = await all(await opened(original), quantised);
  const got = await all(await opened(exported));
  const difference = own.reduce((most, one, i) => Math.max(most, Math.abs(one - got[i]!)), 0);
  checkDifference(difference, id);
  return difference;
}

/** An encoder's files, which are read or made when they are written, and its record. */
interface EncoderContents {
  readonly record: EncoderRecord;
  readonly contents: Map<string, () => Promise<Uint8Array>>;
}

const IMAGE_MODEL = 'image.onnx';

/** The same encoder with a quantised image tower, which makes it another encoder. Its texts are encoded as before. */
function withTower({ record, contents }: EncoderContents, tower: ImageTower): EncoderContents {
  const models = new Map(contents);
  // The file may also have the text tower.
  if (record.kind === 'vision' || record.textModel !== record.imageModel) models.delete(record.imageModel);
  models.set(IMAGE_MODEL, async () => encodeModel(tower.model, {}));
  const own = { ...quantisedIdentity(record), formerFingerprint: undefined, imageModel: IMAGE_MODEL };
  return { record: { ...record, ...own }, contents: models };
}

/** The files of an encoder whose models are ONNX without external weights, and its record. Towers from weights are built as ONNX. */
async function onnxFiles({ record, folder }: LocalEncoder): Promise<EncoderContents> {
  const contents: EncoderContents['contents'] = new Map();
  const plain = (path: string) => readRegular(join(folder, path), ENCODER_FILE);
  const built = isWeights(record.imageModel);
  for (const { path } of record.files) {
    if (/tokenizer(_config)?\.json$/.test(path)) contents.set(path, () => plain(path));
    else if (!built && path.endsWith('.onnx')) contents.set(path, () => wholeModel(path, folder));
  }
  if (!built) return { record, contents };
  contents.set(IMAGE_MODEL, () => builtTower(record, folder));
  if (record.kind === 'vision') return { record: { ...record, imageModel: IMAGE_MODEL }, contents };
  contents.set('text.onnx', () =>
    withClip(record, folder, async (checkpoint, { shape }) => toOnnx(await textGraph(checkpoint, shape))),
  );
  return { record: { ...record, imageModel: IMAGE_MODEL, textModel: 'text.onnx' }, contents };
}

/** An ONNX file with its external weights inside. */
async function wholeModel(path: string, folder: string): Promise<Uint8Array> {
  const bytes = await readRegular(join(folder, path), ENCODER_FILE);
  const model = parseModel(bytes);
  const read = (file: string) => readRegular(join(folder, file), ENCODER_FILE);
  const weights = await withinFile(model.graph.initializers, path, read);
  if (weights.every((weight, i) => weight === model.graph.initializers[i])) return bytes;
  return encodeModel({ ...model, graph: { ...model.graph, initializers: weights } }, {});
}
