import type * as z from 'zod/mini';
import { inTurns, type Pieces } from '../abort.ts';
import { damaged } from '../engine/keys/errors.ts';
import { ModelError } from '../errors.ts';
import { parseJson } from '../json.ts';
import type { Matrix } from '../math/matrix.ts';
import type { Tensor } from '../math/tensor.ts';
import type { FileRows } from '../methods/file-rows.ts';
import { methodIfLoaded } from '../methods/loaded.ts';
import { type Method, type State, scoresOf } from '../methods/method.ts';
import { loadMethod, methodsIn } from '../methods/registry.ts';
import { bindInPieces } from '../methods/score.ts';
import { rowCounts, type Summary, type Sums } from '../methods/summary.ts';
import { summaryShapes } from '../methods/summary-shapes.ts';
import { countByClass } from '../methods/task.ts';
import { headFromPrompts } from '../methods/text-head.ts';
import { faultOf, resolveOptions } from '../options.ts';
import { contentHashInPieces, PAGES, withPages } from '../store/content-hash.ts';
import { parseSafetensors } from '../store/safetensors.ts';
import { version } from '../version.ts';
import { count } from '../words.ts';
import { originOf, taskOf } from './classifier-task.ts';
import { exampleList } from './example-list.ts';
import { FEATURES, FORMAT, FORMAT_1, FORMAT_2, noteHash } from './file-parts.ts';
import { countSchema, examplesSchema, metadataSchema } from './metadata.ts';
import { type FileTensor, isHeld, type Refuse, type TensorReader, tensorReader } from './tensor-reader.ts';
import type { ClassifierData, SupportExample } from './types.ts';

/**
 * The classifier in a file's bytes, decoded as interruptible work, so that other requests are answered meanwhile. Throws `ModelError` that
 * names `path` if anything does not fit.
 */
export function decodeClassifier(
  bytes: Uint8Array,
  path = 'the file',
  signal?: AbortSignal,
): Promise<ClassifierData> {
  return inTurns(decoding(bytes, path), signal);
}

function* decoding(bytes: Uint8Array, path: string): Pieces<ClassifierData> {
  const refuse = refusal(path);
  const { tensors, metadata } = (() => {
    try {
      return parseSafetensors(bytes);
    } catch (error) {
      return refuse((error as Error).message, error);
    }
  })();
  yield;
  const text = checkFormat(metadata, path, refuse);
  const hash = yield* verifiedHash(tensors, metadata.sha256, text, refuse);
  const own = yield* detached(tensors);
  const data = yield* dataOf(tensorReader(own, refuse), own, text, path);
  noteHash(data, hash);
  return data;
}

/** The hash of a file's content, which must be the one that it states. Removes the hashes of pages, which are then verified. */
function* verifiedHash(
  tensors: Map<string, Tensor>,
  stated: string | undefined,
  { classifier, paged }: FileText,
  refuse: Refuse,
): Pieces<string> {
  const stored = tensors.get(PAGES);
  if (paged) tensors.delete(PAGES);
  const content = Object.fromEntries(tensors);
  const made = paged ? yield* withPages(content, classifier) : undefined;
  const hash = made?.sha256 ?? (yield* contentHashInPieces(content, classifier));
  if (stated !== hash || (made && !isSame(stored, made.tensors[PAGES]!)))
    refuse('its checksum does not match');
  return hash;
}

function isSame(a: Tensor | undefined, b: Tensor): boolean {
  return (
    a?.dtype === b.dtype &&
    a.shape.join() === b.shape.join() &&
    (a.data as Uint8Array).every((byte, i) => byte === b.data[i])
  );
}

/** Tensors of which the classifier holds converted numbers only. */
const CONVERTED: readonly string[] = [FEATURES, 'text.features'];

/** The tensors of a file, copied: a tensor that shared the file's bytes would keep all of them in memory. */
function* detached(tensors: ReadonlyMap<string, Tensor>): Pieces<Map<string, Tensor>> {
  const own = new Map<string, Tensor>();
  for (const [name, tensor] of tensors) {
    own.set(name, CONVERTED.includes(name) ? tensor : ({ ...tensor, data: tensor.data.slice() } as Tensor));
    yield;
  }
  return own;
}

/** Throws `ModelError` that names the file. */
export function refusal(path: string): Refuse {
  return (reason, cause) => {
    throw damaged(path, reason.replace(`${path} `, 'it '), cause);
  };
}

/** The JSON text of a classifier's file, and what its format says about the tensors. */
interface FileText {
  readonly classifier: string;
  /** Whether the text also holds the examples, as in the first format. */
  readonly examplesInText: boolean;
  /** Whether pages have hashes, as from the third format on. */
  readonly paged: boolean;
}

/** The text of a file. Throws `ModelError` for a safetensors file of another kind and for a format that this version does not know. */
export function checkFormat(
  metadata: Readonly<Record<string, string>>,
  path: string,
  refuse: Refuse,
): FileText {
  if (metadata.format === undefined) refuse('it is a safetensors file of another kind');
  if ([FORMAT_1, FORMAT_2, FORMAT].includes(metadata.format))
    return {
      classifier: metadata.classifier ?? '',
      examplesInText: metadata.format === FORMAT_1,
      paged: metadata.format === FORMAT,
    };
  throw new ModelError(
    `${path} has format ${metadata.format}; this version reads ${FORMAT_1}, ${FORMAT_2} and ${FORMAT}`,
    {
      code: 'classifier/format',
      hint: 'Update tip-adapter, or fit the classifier again.',
      details: { path },
    },
  );
}

/** The classifier that tensors and text describe. `rows` are features that stay in the file. */
export function* dataOf(
  take: TensorReader,
  tensors: ReadonlyMap<string, FileTensor>,
  { classifier, examplesInText }: FileText,
  path: string,
  rows?: FileRows,
): Pieces<ClassifierData> {
  const refuse = refusal(path);
  const json = parseJson(classifier, BOUNDS, (why) => refuse(`its metadata cannot be read: ${why}`));
  yield;
  const about = parsedText(metadataSchema, json, refuse);
  yield;
  const { scalars, prompts, ...rest } = about;
  yield loadMethod(rest.method, rest.options);
  const method = methodIfLoaded(rest.method);
  const unknown = methodsIn(rest.method, rest.options).find((id) => !methodIfLoaded(id));
  if (!method || unknown !== undefined) {
    throw new ModelError(
      `${path} uses the method "${unknown}", which tip-adapter ${version} does not have and no program has registered`,
      {
        code: 'classifier/method',
        hint: 'Update tip-adapter if a newer version made the classifier. Register a method of your own before you load the classifier: with registerMethod, or with --import on the command line.',
        details: { path, method: unknown },
      },
    );
  }
  const d = rest.encoder.dimension;
  const c = rest.classes.length;
  const examples = examplesInText
    ? examplesOfText(json, take, refuse)
    : exampleList(yield* take.examples(parsedText(countSchema, json, refuse).examples));
  const n = examples.length;

  const features = rows ?? (yield* readFeatures(take, rest.keys, d));
  if (features.cols !== d) refuse(`tensor ${FEATURES} has ${count(features.cols, 'column')} instead of ${d}`);
  if (rows && (rows.file.dtype === 'int8') !== (rest.keys?.type === 'int8'))
    refuse(`tensor ${FEATURES} is ${rows.file.dtype}, which contradicts "keys"`);
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

  const data = {
    ...rest,
    head: yield* readHead(take, tensors.has('text.features'), rest.encoder, c, prompts, refuse),
    support,
    examples,
    state: {},
  };
  const state = readState(take, method, data, scalars, refuse);
  const summary = tensors.has('summary.sums.counts') ? readSummary(take, method, data, refuse) : undefined;
  take.end();
  const whole = { ...data, state, ...(summary && { summary }) };
  yield* checkMethod(method, whole, refuse);
  return whole;
}

/** The part of the JSON text that a schema describes. */
function parsedText<T>(schema: z.ZodMiniType<T>, json: unknown, refuse: Refuse): T {
  const parsed = schema.safeParse(json);
  if (parsed.success) return parsed.data;
  return refuse(`its metadata cannot be used: ${faultOf(parsed.error)}`, parsed.error);
}

/** The examples of a file of the first format. */
function examplesOfText(json: unknown, take: TensorReader, refuse: Refuse): SupportExample[] {
  const { examples } = parsedText(examplesSchema, json, refuse);
  const pictures = take.pictures(examples.length);
  return examples.map((example, i) => ({
    ...example,
    thumbnail: pictures?.bytes.slice(pictures.offsets[i]!, pictures.offsets[i + 1]!),
  }));
}

/** Limits of the JSON text: in the first format a million examples have three million values. */
const BOUNDS = { depth: 16, values: 4_000_000 };

/** The method's state. It must hold all numbers and tensors of the method and no others, each in its range. */
function readState(
  take: TensorReader,
  method: Method,
  data: ClassifierData,
  scalars: Readonly<Record<string, number>>,
  refuse: Refuse,
): State {
  const held = (() => {
    try {
      return method.holds(taskOf(data), resolveOptions(method.options, data.options));
    } catch (error) {
      return refuse(`its options do not fit its method ${method.id} (${(error as Error).message})`, error);
    }
  })();
  const foreign = Object.keys(scalars).find((name) => !Object.hasOwn(held, name) || held[name]!.shape);
  if (foreign !== undefined) refuse(`its method ${method.id} has no number scalars.${foreign}`);
  return Object.fromEntries(
    Object.entries(held).map(([name, entry]) => {
      if (entry.shape) return [name, take.state(`state.${name}`, entry)];
      const value = scalars[name];
      if (value === undefined) return refuse(`scalars.${name} is missing`);
      return isHeld(value, entry) ? [name, value] : refuse(`scalars.${name} is ${value}`);
    }),
  );
}

/** The sums that the method has learnt from, with the sizes that follow from its options. */
function readSummary(take: TensorReader, method: Method, data: ClassifierData, refuse: Refuse): Summary {
  const { shapes, origin } = (() => {
    try {
      const options = resolveOptions(method.options, data.options);
      const refused = method.summary ? method.summary.refuses?.(options) : 'it needs the examples themselves';
      if (!method.summary || refused !== undefined) throw new Error(refused);
      return {
        shapes: summaryShapes(method.summary, taskOf(data), options),
        origin: originOf(data, method, options),
      };
    } catch (error) {
      return refuse(`its method ${method.id} has no such summary (${(error as Error).message})`, error);
    }
  })();
  const read = <T>(part: keyof Sums, of: (name: string, shape: readonly number[]) => T) =>
    Object.fromEntries(
      Object.entries(shapes[part]).map(([name, shape]) => [name, of(`summary.${part}.${name}`, shape)]),
    );
  const summary = {
    origin,
    sums: read('sums', take.sum),
    basis: read('basis', (name, shape) => take.state(name, { shape })),
  };
  if (!rowCounts(summary).every((n) => Number.isInteger(n) && n >= 0))
    refuse('tensor summary.sums.counts holds a number that is not a count');
  return summary;
}

/** Refuses a classifier that the method cannot score with. Building the expression of the scores finds shapes that do not fit. */
function* checkMethod(method: Method, data: ClassifierData, refuse: Refuse): Pieces<void> {
  // The encoder, which such a method needs for its scores, is opened only when it is used.
  if (method.readsTexts) return;
  try {
    const { f, state, task } = yield* bindInPieces(method, data.state, taskOf(data));
    scoresOf(method, f, state, task);
  } catch (error) {
    refuse(`its method ${method.id} does not fit it (${(error as Error).message})`, error);
  }
}

function* readFeatures(take: TensorReader, keys: ClassifierData['keys'], d: number): Pieces<Matrix> {
  if (keys?.type !== 'int8') return yield* take.matrix(FEATURES, d);
  return yield* take.int8Rows(FEATURES, take.steps(d));
}

function* readHead(
  take: TensorReader,
  present: boolean,
  encoder: { dimension: number; logitScale: number },
  classes: number,
  prompts: string[][] | undefined,
  refuse: Refuse,
): Pieces<ClassifierData['head']> {
  if (!present) return undefined;
  const features = yield* take.matrix('text.features', encoder.dimension);
  const promptClass = take.integers('text.class', features.rows, classes);
  const counts = countByClass(promptClass, classes);
  if (prompts?.length !== classes || prompts.some((list, c) => list.length !== counts[c] || counts[c] === 0))
    return refuse('prompts do not match the classes');
  return { ...headFromPrompts(features, promptClass, classes, encoder.logitScale), prompts };
}
