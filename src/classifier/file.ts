import { fileIdentity } from '../engine/keys/node.ts';
import { ModelError } from '../errors.ts';
import type { Matrix } from '../math/matrix.ts';
import { type DType, sizeOf, type Tensor } from '../math/tensor.ts';
import type { FileRows } from '../methods/file-rows.ts';
import { methods } from '../methods/index.ts';
import { type Method, type State, scoresOf } from '../methods/method.ts';
import { bindMethod } from '../methods/score.ts';
import { countByClass, isPlain } from '../methods/task.ts';
import { headFromPrompts } from '../methods/text-head.ts';
import { resolveOptions } from '../options.ts';
import { writeFileAtomic } from '../store/atomic.ts';
import { type FileUse, readRegular } from '../store/regular.ts';
import { openSafetensors, parseSafetensors, type SafetensorsFile } from '../store/safetensors.ts';
import { version } from '../version.ts';
import { contentHash, fileHash } from './content-hash.ts';
import { encodeClassifier, FEATURES, FORMAT } from './encode.ts';
import { fileRows } from './file-rows.ts';
import { metadataSchema } from './metadata.ts';
import { taskOf } from './task.ts';
import { type Refuse, type TensorReader, tensorReader } from './tensor-reader.ts';
import type { ClassifierData } from './types.ts';

/** Writes a classifier's file, whole or not at all. */
export async function writeClassifier(path: string, data: ClassifierData): Promise<void> {
  await writeFileAtomic(path, encodeClassifier(data));
}

/** Features with more numbers than that stay in the file: in memory they would take half a gigabyte. */
const LARGEST_IN_MEMORY = 2 ** 27;

const CLASSIFIER: FileUse = {
  area: 'classifier',
  Failure: ModelError,
  hint: 'Give the file that `tip-adapter fit … -o <file>` wrote.',
};

export interface ReadOptions {
  /** Most numbers of the examples' features that are held in memory; those of more are read page by page when asked. */
  largestInMemory?: number;
}

/**
 * Reads a classifier's file. Throws `ModelError` where it is missing, damaged or not a classifier. Many examples' features stay in it,
 * where each example is one plain row: one of several views is the mean of several rows, and pages of rows are not its key.
 */
export async function readClassifier(
  path: string,
  { largestInMemory = LARGEST_IN_MEMORY }: ReadOptions = {},
): Promise<ClassifierData> {
  const file = await openSafetensors(path, CLASSIFIER).catch((cause: ModelError) => {
    if (cause.code.startsWith(CLASSIFIER.area)) throw cause;
    return refusal(path)(cause.message, cause);
  });
  try {
    const features = file.entries.get(FEATURES);
    if (features && sizeOf(features.shape) > largestInMemory) {
      const refuse = refusal(path);
      const classifier = checkFormat(file.metadata, path, refuse);
      if (file.metadata.sha256 !== (await fileHash(file, classifier))) refuse('its checksum does not match');
      const tensors = new Map<string, Tensor>();
      for (const name of file.entries.keys())
        if (name !== FEATURES) tensors.set(name, await file.tensor(name));
      const data = dataOf(tensors, classifier, path, await rowsOf(path, file, tensors, refuse));
      if (isPlain(data.support)) return data;
    }
  } finally {
    await file.close();
  }
  return decodeClassifier(await readRegular(path, CLASSIFIER), path);
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

function readFeatures(take: TensorReader, keys: ClassifierData['keys'], d: number): Matrix {
  return keys?.type === 'int8'
    ? take.int8Rows('support.features', take.floats('support.steps', d))
    : take.matrix('support.features', d);
}

function readHead(
  take: TensorReader,
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

function parseJson(text: string, refuse: Refuse): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    return refuse('its metadata is not JSON', error);
  }
}
