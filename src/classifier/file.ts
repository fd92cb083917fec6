import { createHash } from 'node:crypto';
import { fileIdentity } from '../engine/keys/node.ts';
import { ModelError, systemCode } from '../errors.ts';
import { fromHalf, toHalf } from '../math/half.ts';
import { fromInt8, inverseLengths, toInt8 } from '../math/int8.ts';
import { type Matrix, matrix } from '../math/matrix.ts';
import { type DType, floatTensor, sizeOf, type Tensor } from '../math/tensor.ts';
import type { FileRows } from '../methods/file-rows.ts';
import { methods } from '../methods/index.ts';
import { type Method, type State, scoresOf } from '../methods/method.ts';
import { bindMethod } from '../methods/score.ts';
import { countByClass } from '../methods/task.ts';
import { headFromPrompts } from '../methods/text-head.ts';
import { resolveOptions } from '../options.ts';
import { writeFileAtomic } from '../store/atomic.ts';
import { fileRows } from '../store/file-rows.ts';
import {
  encodeSafetensors,
  openSafetensors,
  parseSafetensors,
  type SafetensorsFile,
} from '../store/safetensors.ts';
import { tensorBytes } from '../store/safetensors-header.ts';
import { version } from '../version.ts';
import { metadataSchema } from './metadata.ts';
import { taskOf } from './task.ts';
import type { ClassifierData } from './types.ts';

/**
 * A classifier is one safetensors file. Tensors: `text.features` F16 [p, d] and `text.class` I32 [p]; `support.features`
 * F16 [r, d], or I8 [r, d] with `support.steps` F32 [d] and `support.scales` F32 [r], `support.example` and `support.view` I32 [r], `support.labels` and `support.groups` I32 [n]; `state.*`;
 * `thumbnails` U8 with `thumbnails.offsets` I32 [n + 1]. Everything else is one JSON text in the metadata, beside a sha256
 * over all of it. The layout is described for other programs in docs/file-format.md.
 */
const FORMAT = 'tip-adapter/1';
const FEATURES = 'support.features';

/** The bytes of a classifier's file. */
export function encodeClassifier(data: ClassifierData): Uint8Array {
  const { head, support, examples, state, encoder, ...rest } = data;
  const tensors: Record<string, Tensor> = {
    ...featureTensors(data),
    'support.example': integers(support.example),
    'support.view': integers(support.view),
    'support.labels': integers(support.labels),
    'support.groups': integers(support.groups),
  };
  if (head) {
    tensors['text.features'] = half(head.promptFeatures);
    tensors['text.class'] = integers(head.promptClass);
  }
  const scalars: Record<string, number> = {};
  for (const [name, value] of Object.entries(state)) {
    if (typeof value === 'number') scalars[name] = value;
    else tensors[`state.${name}`] = value;
  }
  if (examples.length > 0 && examples.every((example) => example.thumbnail)) {
    const pictures = examples.map((example) => example.thumbnail as Uint8Array);
    const offsets = new Int32Array(pictures.length + 1);
    pictures.forEach((picture, i) => {
      offsets[i + 1] = offsets[i] + picture.length;
    });
    const bytes = Buffer.concat(pictures);
    tensors.thumbnails = { dtype: 'uint8', shape: [bytes.length], data: new Uint8Array(bytes) };
    tensors['thumbnails.offsets'] = integers(offsets);
  }
  const metadata = {
    ...rest,
    encoder,
    prompts: head?.prompts,
    examples: examples.map(({ id, sha256 }) => ({ id, sha256 })),
    scalars,
  };
  const classifier = JSON.stringify(metadata);
  return encodeSafetensors(tensors, { format: FORMAT, classifier, sha256: contentHash(tensors, classifier) });
}

function featureTensors({ support: { features }, keys }: ClassifierData): Record<string, Tensor> {
  if (keys?.type !== 'int8') return { 'support.features': half(features) };
  const int8 = toInt8(features);
  return {
    'support.features': { dtype: 'int8', shape: [features.rows, features.cols], data: int8.values },
    'support.steps': floatTensor([features.cols], int8.steps),
    'support.scales': floatTensor([features.rows], inverseLengths(int8)),
  };
}

/**
 * Sha256 (hex) over the JSON text and, by name, each tensor's line `\n<name> <type> <sizes joined by x>\n` and bytes: an
 * altered number would otherwise be a wrong answer that nobody notices.
 */
function contentHash(tensors: Readonly<Record<string, Tensor>>, classifier: string): string {
  const hash = createHash('sha256').update(classifier);
  for (const name of Object.keys(tensors).sort())
    hash.update(tensorLine(name, tensors[name])).update(tensorBytes(tensors[name]));
  return hash.digest('hex');
}

function tensorLine(name: string, { dtype, shape }: { dtype: DType; shape: readonly number[] }): string {
  return `\n${name} ${dtype} ${shape.join('x')}\n`;
}

/** The same of a file that is not read at once. */
async function fileHash(file: SafetensorsFile, classifier: string): Promise<string> {
  const hash = createHash('sha256').update(classifier);
  for (const [name, entry] of [...file.entries].sort(([a], [b]) => (a < b ? -1 : 1))) {
    hash.update(tensorLine(name, entry));
    for await (const chunk of file.chunks(name)) hash.update(chunk);
  }
  return hash.digest('hex');
}

/** Writes a classifier's file, whole or not at all. */
export async function writeClassifier(path: string, data: ClassifierData): Promise<void> {
  await writeFileAtomic(path, encodeClassifier(data));
}

/** Features with more numbers than that stay in the file: in memory they would take half a gigabyte. */
const LARGEST_IN_MEMORY = 2 ** 27;

export interface ReadOptions {
  /** Most numbers of the examples' features that are held in memory; those of more are read page by page when asked. */
  largestInMemory?: number;
}

/** Reads a classifier's file. Throws `ModelError` where it is missing, damaged or not a classifier. */
export async function readClassifier(
  path: string,
  { largestInMemory = LARGEST_IN_MEMORY }: ReadOptions = {},
): Promise<ClassifierData> {
  const file = await openSafetensors(path).catch((cause) => {
    if (cause instanceof ModelError) return refusal(path)(cause.message, cause);
    const missing = systemCode(cause) === 'ENOENT';
    throw new ModelError(missing ? `There is no file ${path}` : `Cannot read ${path}: ${cause.message}`, {
      code: missing ? 'classifier/missing' : 'classifier/unreadable',
      hint: 'Give the file that `tip-adapter fit … -o <file>` wrote.',
      details: { path },
      cause,
    });
  });
  try {
    const refuse = refusal(path);
    const classifier = checkFormat(file.metadata, path, refuse);
    if (file.metadata.sha256 !== (await fileHash(file, classifier))) refuse('its checksum does not match');
    const tensors = new Map<string, Tensor>();
    for (const name of file.entries.keys()) if (name !== FEATURES) tensors.set(name, await file.tensor(name));
    const features = file.entries.get(FEATURES);
    // An example of several views is the mean of several rows: pages of rows are not its keys.
    if (features && sizeOf(features.shape) > largestInMemory && isPlain(tensors))
      return dataOf(tensors, classifier, path, await rowsOf(path, file, tensors, refuse));
    if (features) tensors.set(FEATURES, await file.tensor(FEATURES));
    return dataOf(tensors, classifier, path);
  } finally {
    await file.close();
  }
}

/** Whether each example is one plain row, in order. */
function isPlain(tensors: ReadonlyMap<string, Tensor>): boolean {
  const numbers = (name: string) => Array.from((tensors.get(name)?.data ?? []) as Int32Array);
  const [example, view] = [numbers('support.example'), numbers('support.view')];
  return example.every((e, r) => e === r) && view.every((v) => v === 0);
}

/** The examples' features, left in the file. */
async function rowsOf(
  path: string,
  file: SafetensorsFile,
  tensors: ReadonlyMap<string, Tensor>,
  refuse: Refuse,
): Promise<FileRows> {
  const { dtype, shape } = file.entries.get(FEATURES) as { dtype: DType; shape: readonly number[] };
  const [rows, cols] = shape;
  const identity = fileIdentity(await file.stat());
  const place = { path, identity, offset: file.position(FEATURES), rows, cols };
  if (dtype === 'float16') return fileRows({ ...place, dtype });
  if (dtype !== 'int8') return refuse('tensor support.features has another form');
  const take = tensorReader(tensors, refuse);
  const [steps, scales] = [take.floats('support.steps', cols), take.floats('support.scales', rows)];
  return fileRows({ ...place, dtype, steps, scales });
}

/** The classifier in a file's bytes. Throws `ModelError` naming `path` where anything does not fit. */
export function decodeClassifier(bytes: Uint8Array, path = 'the file'): ClassifierData {
  const refuse = refusal(path);
  const { tensors, metadata } = (() => {
    try {
      return parseSafetensors(bytes);
    } catch (error) {
      return refuse((error as Error).message, error);
    }
  })();
  const classifier = checkFormat(metadata, path, refuse);
  if (metadata.sha256 !== contentHash(Object.fromEntries(tensors), classifier))
    refuse('its checksum does not match');
  return dataOf(tensors, classifier, path);
}

function refusal(path: string): Refuse {
  return (reason, cause) => {
    throw new ModelError(`${path} is not a usable classifier: ${reason}`, {
      code: 'classifier/damaged',
      hint: 'The file was cut short, altered, or written by something else. Fit it again or take another copy.',
      details: { path },
      cause,
    });
  };
}

/** The JSON text of a file of this format. */
function checkFormat(metadata: Readonly<Record<string, string>>, path: string, refuse: Refuse): string {
  if (metadata.format === undefined) refuse('it is a safetensors file of some other kind');
  if (metadata.format === FORMAT) return metadata.classifier ?? '';
  throw new ModelError(`${path} has format ${metadata.format}; this version reads ${FORMAT}`, {
    code: 'classifier/format',
    hint: 'Update tip-adapter, or fit the classifier again.',
    details: { path },
  });
}

/** The classifier that tensors and text describe; features that stay in the file are given as `rows`. */
function dataOf(
  tensors: Map<string, Tensor>,
  classifier: string,
  path: string,
  rows?: FileRows,
): ClassifierData {
  const refuse = refusal(path);
  const parsed = metadataSchema.safeParse(parseJson(classifier, refuse));
  if (!parsed.success) {
    const [issue] = parsed.error.issues;
    return refuse(`${issue.path.join('.') || 'its metadata'}: ${issue.message}`, parsed.error);
  }
  const { scalars, prompts, examples, ...rest } = parsed.data;
  const method = methods.find(({ id }) => id === rest.method);
  if (!method) {
    throw new ModelError(
      `${path} uses the method "${rest.method}", which tip-adapter ${version} does not have`,
      {
        code: 'classifier/method',
        hint: 'The classifier was made by a newer version: update tip-adapter.',
        details: { path, method: rest.method },
      },
    );
  }
  const take = tensorReader(tensors, refuse);
  const d = rest.encoder.dimension;
  const c = rest.classes.length;
  const n = examples.length;

  const features = rows ?? readFeatures(take, rest.keys, d);
  if (features.cols !== d) refuse(`tensor support.features has ${features.cols} columns instead of ${d}`);
  const support = {
    features,
    example: take.integers('support.example', features.rows, n),
    view: take.integers('support.view', features.rows),
    labels: take.integers('support.labels', n, c),
    groups: take.integers('support.groups', n),
  };
  const seen = new Uint8Array(n);
  for (const example of support.example) seen[example] = 1;
  if (seen.includes(0)) refuse('an example has no features');

  const state: Record<string, Tensor | number> = { ...scalars };
  for (const [name, tensor] of tensors) if (name.startsWith('state.')) state[name.slice(6)] = tensor;
  const pictures = take.pictures(n);
  const data = {
    ...rest,
    head: readHead(take, tensors.has('text.features'), rest.encoder, c, prompts, refuse),
    support,
    examples: examples.map((example, i) => ({ ...example, thumbnail: pictures?.[i] })),
    state: state as State,
  };
  checkMethod(method, data, refuse);
  return data;
}

/** Refuses a state that the method cannot score with: writing down its scores finds what is missing or has another shape. */
function checkMethod(method: Method, data: ClassifierData, refuse: Refuse): void {
  try {
    resolveOptions(method.options, data.options);
    const { f, state, task } = bindMethod(method, data.state, taskOf(data));
    scoresOf(method, f, state, task);
  } catch (error) {
    refuse(`its method ${method.id} does not fit it (${(error as Error).message})`, error);
  }
}

type Refuse = (reason: string, cause?: unknown) => never;

function readFeatures(
  take: ReturnType<typeof tensorReader>,
  keys: ClassifierData['keys'],
  d: number,
): Matrix {
  return keys?.type === 'int8'
    ? take.int8Rows('support.features', take.floats('support.steps', d))
    : take.matrix('support.features', d);
}

function readHead(
  take: ReturnType<typeof tensorReader>,
  present: boolean,
  encoder: { dimension: number; logitScale: number },
  classes: number,
  prompts: string[][] | undefined,
  refuse: Refuse,
): ClassifierData['head'] {
  if (!present) return undefined;
  const features = take.matrix('text.features', encoder.dimension);
  const promptClass = take.integers('text.class', features.rows, classes);
  const counts = countByClass(promptClass, classes);
  if (prompts?.length !== classes || prompts.some((list, c) => list.length !== counts[c] || counts[c] === 0))
    return refuse('prompts do not match the classes');
  return { ...headFromPrompts(features, promptClass, classes, encoder.logitScale), prompts };
}

/** Reads tensors with their expected shapes; anything else is refused by name. */
function tensorReader(tensors: ReadonlyMap<string, Tensor>, refuse: Refuse) {
  const get = (name: string, dtype: Tensor['dtype'], rank: number): Tensor => {
    const tensor = tensors.get(name);
    if (!tensor) return refuse(`tensor ${name} is missing`);
    if (tensor.dtype !== dtype || tensor.shape.length !== rank)
      return refuse(`tensor ${name} has another form`);
    return tensor;
  };
  const ints = (name: string, length: number, below = Number.POSITIVE_INFINITY): Int32Array => {
    const { data, shape } = get(name, 'int32', 1);
    if (shape[0] !== length) return refuse(`tensor ${name} has ${shape[0]} numbers instead of ${length}`);
    if ((data as Int32Array).some((x) => x < 0 || x >= below))
      return refuse(`tensor ${name} is out of range`);
    return data as Int32Array;
  };
  const floats = (name: string, length: number): Float32Array => {
    const { data, shape } = get(name, 'float32', 1);
    if (shape[0] !== length) return refuse(`tensor ${name} has ${shape[0]} numbers instead of ${length}`);
    if (!(data as Float32Array).every(Number.isFinite))
      return refuse(`tensor ${name} holds something that is not a number`);
    return data as Float32Array;
  };
  return {
    integers: ints,
    matrix: (name: string, cols: number): Matrix => {
      const { data, shape } = get(name, 'float16', 2);
      if (shape[1] !== cols) return refuse(`tensor ${name} has ${shape[1]} columns instead of ${cols}`);
      if (!allFinite(data as Uint16Array))
        return refuse(`tensor ${name} holds something that is not a number`);
      return matrix(shape[0], cols, fromHalf(data as Uint16Array));
    },
    floats,
    int8Rows: (name: string, steps: Float32Array): Matrix => {
      const { data, shape } = get(name, 'int8', 2);
      if (shape[1] !== steps.length)
        return refuse(`tensor ${name} has ${shape[1]} columns instead of ${steps.length}`);
      return matrix(shape[0], shape[1], fromInt8({ values: data as Int8Array, steps }));
    },
    pictures: (n: number): Uint8Array[] | undefined => {
      if (!tensors.has('thumbnails')) return undefined;
      const bytes = get('thumbnails', 'uint8', 1).data as Uint8Array;
      const offsets = ints('thumbnails.offsets', n + 1, bytes.length + 1);
      if (offsets.some((offset, i) => i > 0 && offset < offsets[i - 1]))
        refuse('tensor thumbnails.offsets goes backwards');
      return Array.from({ length: n }, (_, i) => bytes.slice(offsets[i], offsets[i + 1]));
    },
  };
}

/** Half-precision numbers whose exponent bits are all set are infinite or not numbers. */
function allFinite(halves: Uint16Array): boolean {
  for (let i = 0; i < halves.length; i++) if ((halves[i] & 0x7c00) === 0x7c00) return false;
  return true;
}

function parseJson(text: string, refuse: Refuse): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    return refuse('its metadata is not JSON', error);
  }
}

function half({ rows, cols, data }: Matrix): Tensor {
  return { dtype: 'float16', shape: [rows, cols], data: toHalf(data) };
}

function integers(data: Int32Array): Tensor {
  return { dtype: 'int32', shape: [data.length], data };
}
