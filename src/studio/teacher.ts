import { inTurns } from '../abort.ts';
import { taskOf } from '../classifier/classifier-task.ts';
import { referenceTo } from '../classifier/encoder-reference.ts';
import type { Wanted } from '../classifier/given.ts';
import { type Known, learn } from '../classifier/learn.ts';
import type { Calibration } from '../classifier/model-selection.ts';
import type { ClassifierData, Explanation, Progress } from '../classifier/types.ts';
import { nearDuplicates } from '../dataset/duplicates.ts';
import { DisjointSets, groupBy } from '../dataset/groups.ts';
import type { EncodedImages } from '../encoder/encode.ts';
import { misreadPrompts, renderPrompt } from '../encoder/prompts.ts';
import type { Encoder } from '../encoder/types.ts';
import { keysInMemory } from '../engine/keys/memory.ts';
import type { KeyCache } from '../engine/keys/types.ts';
import { sharedEngine } from '../engine/shared.ts';
import { rowsToHalfInPieces } from '../math/half-rows.ts';
import { fromRows, type Matrix, matrix, norm, row, unitRows } from '../math/matrix.ts';
import { leaveOneShotOut } from '../methods/folds.ts';
import { methodById } from '../methods/index.ts';
import type { Method } from '../methods/method.ts';
import { type FitProgress, selectExamples, type Task } from '../methods/task.ts';
import { headFromPrompts } from '../methods/text-head.ts';
import { resolveOptions } from '../options.ts';
import { UNTUNED } from '../tuning/search-method.ts';
import type { Settings } from './board.ts';
import { type CacheConstants, constantsOf, instantMethod } from './instant.ts';
import type { Lesson } from './lesson.ts';

/** A classifier of a lesson: `Classifier` in the program, and one that needs no platform in a page. */
export interface LessonClassifier {
  readonly data: ClassifierData;
  readonly calibrated: boolean;
  /** Probabilities [n, classes] of features [n, d]. */
  probabilities(features: Matrix): Promise<Matrix>;
  /** Explains the answer for a picture. Throws `DataError` if the bytes are no picture. */
  explain(picture: Uint8Array, options: { examples: number }): Promise<Explanation>;
  close(): Promise<void>;
}

/** The parts that differ between the program and a page. */
export interface TeacherPlatform {
  /** The features of stored pictures, from a cache where they are known. */
  encode(
    pictures: ToEmbed['examples'],
    work: Pick<EmbedOptions, 'signal' | 'onProgress'>,
  ): Promise<Pick<EncodedImages, 'features' | 'rows' | 'failures'>>;
  /** A classifier. `cache` has its keys in the kernels' layout. */
  classifier(data: ClassifierData, cache?: KeyCache): LessonClassifier;
  close(): Promise<void>;
}

export interface Constants extends CacheConstants {
  /** The temperature for these constants, and the rows that it was fitted to. Without one, probabilities are not calibrated. */
  readonly calibration?: Calibration;
}

interface EmbedOptions {
  /** Largest number of pictures to embed now. The rest is left for the next call. */
  most?: number;
  signal?: AbortSignal;
  onProgress?(progress: Progress): void;
}

/** The parts of a lesson that are embedded. */
interface ToEmbed {
  readonly classes: Lesson['classes'];
  readonly examples: readonly Pick<Lesson['examples'][number], 'hash' | 'id'>[];
}

/**
 * Makes classifiers from lessons. Every picture and every class name is embedded once. Later lessons are assembled from features in
 * memory, also after moving, renaming or undoing, and Tip-Adapter, which needs no training, answers at once.
 */
export interface Teacher {
  readonly encoder: Encoder;
  /** The method of instant answers: Tip-Adapter, or its cache alone if the encoder reads no class names. */
  readonly instant: Method;
  /** Whether the features of a picture are in memory. */
  knows(hash: string): boolean;
  /** Embeds the parts of the lesson that are not in memory. Returns hashes of pictures that could not be embedded. */
  embedLesson(lesson: Lesson, options?: EmbedOptions): Promise<string[]>;
  /** Keys of the embedded classes whose name is longer than the encoder can read. */
  cut(lesson: Pick<Lesson, 'classes'>): string[];
  /** Features of pictures, [n, d], and their hashes. Pictures that cannot be embedded are left out. */
  embed(
    pictures: readonly { hash: string; name: string }[],
    signal?: AbortSignal,
  ): Promise<{ hashes: string[]; rows: Matrix }>;
  /** The instant method with the given constants, without a search. */
  live(lesson: Lesson, settings: Settings, constants: Constants): Promise<LessonClassifier>;
  /** The lesson with near-duplicates in the same group, so that no fold separates them. */
  apart(lesson: Lesson, signal: AbortSignal): Promise<Apart>;
  /**
   * Trains the method without a quarter of the pictures, and reports the accuracy on that quarter after every epoch to `onFit`. Does
   * nothing for methods without epochs, and if no picture can be left out.
   */
  rehearse(
    lesson: Apart,
    settings: Settings,
    method: string,
    constants: Constants,
    watch: SearchWatch,
  ): Promise<void>;
  /** A classifier of the requested method. Constants that are not given, and the temperature, are tuned on left-out pictures. */
  searched(lesson: Apart, settings: Settings, wanted: Sought, watch: SearchWatch): Promise<LessonClassifier>;
  close(): Promise<void>;
}

/** A lesson whose near-duplicates are grouped. */
export interface Apart extends Lesson {
  /** Sets of near-duplicates, as hashes, without those of bursts. */
  readonly alike: readonly (readonly string[])[];
}

/** The settings of a search: a method, and the constants that are given. */
type Sought = Pick<Wanted, 'method' | 'alpha' | 'beta' | 'options'>;

/** Callbacks and signals to follow, stop and pause a search. */
interface SearchWatch {
  readonly signal: AbortSignal;
  onFit(progress: FitProgress): void;
  /** Awaited before every step of a training. */
  resume(): Promise<void>;
}

export function createTeacher(encoder: Encoder, platform: TeacherPlatform): Teacher {
  const features = new Map<string, Float32Array>();
  const texts = new Map<string, Float32Array>();
  const cut = new Set<string>();
  const gather = gatherer(features, encoder.dimension);
  let head: ClassifierData['head'] | undefined;
  const { template } = encoder.defaults;
  const instant = instantMethod(encoder);

  const promptOf = ({ promptName }: Lesson['classes'][number]) => renderPrompt(template, promptName);

  async function embedLesson(
    { classes, examples }: ToEmbed,
    { most, signal, onProgress }: EmbedOptions = {},
  ) {
    const prompts = encoder.embedTexts ? classes.map(promptOf) : [];
    const unread = [...new Set(prompts.filter((prompt) => !texts.has(prompt)))];
    if (encoder.embedTexts && unread.length > 0) {
      const rows = await inTurns(rowsToHalfInPieces(await encoder.embedTexts(unread, { signal })), signal);
      for (const { prompt } of (await misreadPrompts(encoder, unread)).cut) cut.add(prompt);
      unread.forEach((prompt, i) => {
        texts.set(prompt, row(rows, i).slice());
      });
    }
    const unseen = examples.filter(({ hash }) => !features.has(hash)).slice(0, most);
    if (unseen.length === 0) return [];
    const encoded = await platform.encode(unseen, { signal, onProgress });
    const rounded = await inTurns(rowsToHalfInPieces(encoded.features), signal);
    encoded.rows.forEach(({ item }, i) => {
      features.set(unseen[item]!.hash, row(rounded, i).slice());
    });
    return encoded.failures.map(({ item }) => unseen[item]!.hash);
  }

  /** The text head of a lesson's classes, if the encoder reads. The same classes give the same object. */
  function headOf({ classes }: Lesson): ClassifierData['head'] {
    if (!encoder.embedTexts) return undefined;
    const prompts = classes.map(promptOf);
    if (
      prompts.length !== head?.prompts.length ||
      prompts.some((prompt, c) => prompt !== head?.prompts[c]?.[0])
    ) {
      const rows = fromRows(prompts.map((prompt) => texts.get(prompt) as Float32Array));
      const made = headFromPrompts(rows, Int32Array.from(prompts.keys()), prompts.length, encoder.logitScale);
      head = { ...made, prompts: prompts.map((prompt) => [prompt]) };
    }
    return head;
  }

  function knownOf(lesson: Lesson, { reject }: Settings): Known {
    const { classes, examples } = lesson;
    return {
      classes: classes.map(({ key: _, ...info }) => info),
      templates: encoder.embedTexts ? [template] : [],
      encoder: referenceTo(encoder),
      head: headOf(lesson),
      support: {
        features: gather(lesson).rows,
        example: Int32Array.from(examples.keys()),
        view: new Int32Array(examples.length),
        labels: Int32Array.from(examples, ({ label }) => label),
        groups: Int32Array.from(examples, ({ group }) => group),
      },
      examples: examples.map(({ id, hash }) => ({ id, sha256: hash })),
      reject,
      dataset: 'studio',
    };
  }

  return {
    encoder,
    instant,
    knows: (hash) => features.has(hash),
    embedLesson,
    cut: ({ classes }) => classes.filter((info) => cut.has(promptOf(info))).map(({ key }) => key),
    async embed(wanted, signal) {
      const examples = wanted.map(({ hash, name }) => ({ hash, id: name }));
      await embedLesson({ classes: [], examples }, { signal });
      const hashes = wanted.map(({ hash }) => hash).filter((hash) => features.has(hash));
      const rows = matrix(hashes.length, encoder.dimension);
      hashes.forEach((hash, i) => void row(rows, i).set(features.get(hash) as Float32Array));
      return { hashes, rows };
    },
    async live(lesson, settings, { alpha, beta, calibration = UNTUNED }) {
      const wanted = { method: instant.id, tune: 'fixed', ...constantsOf(instant, { alpha, beta }) } as const;
      const data = await learn(knownOf(lesson, settings), wanted, encoder, { calibration });
      const { features, labels } = data.support;
      const cache = keysInMemory(features, gather(lesson).scales, labels, lesson.classes.length);
      return platform.classifier(data, cache);
    },
    apart: (lesson, signal) => groupAlike(lesson, gather(lesson).rows, signal),
    async rehearse(lesson, settings, id, { alpha, beta }, { signal, onFit, resume }) {
      const method = methodById(id);
      const known = knownOf(lesson, settings);
      const { query, hidden, count } = leaveOneShotOut(known.support, PARTS);
      if (!method.validates || count < 2) return;
      const all = [...hidden.keys()];
      const asked = selectExamples(
        known.support,
        all.filter((i) => query[i] === 0),
      );
      const taught = selectExamples(
        known.support,
        all.filter((i) => hidden[i] !== 0),
      );
      const task: Task = {
        ...taskOf({ ...known, support: taught }, signal),
        engine: sharedEngine(),
        onProgress: onFit,
        resume,
        validation: { features: asked.features, labels: asked.labels, watches: true },
      };
      await method.fit(task, resolveOptions(method.options, { alpha, beta, ...settings.options }));
    },
    async searched(lesson, settings, sought, watch) {
      const wanted = { ...sought, tune: 'folds' } as const;
      const data = await learn(knownOf(lesson, settings), wanted, encoder, {}, watch);
      return platform.classifier(data);
    },
    close: () => platform.close(),
  };
}

/**
 * Returns a function that assembles a lesson's features [n, d] and 1 / length of each [n]. If pictures were only added at the end, the
 * arrays of the lesson before are extended in place; classifiers that use their beginning are not affected.
 */
function gatherer(features: ReadonlyMap<string, Float32Array>, dimension: number) {
  let rows = new Float32Array(0);
  let scales = new Float32Array(0);
  let filled: readonly { readonly hash: string }[] = [];
  return ({ examples }: Lesson): { rows: Matrix; scales: Float32Array } => {
    const count = examples.length;
    const goesOn =
      count <= scales.length &&
      count >= filled.length &&
      filled.every(({ hash }, i) => hash === examples[i]!.hash);
    if (!goesOn) {
      scales = new Float32Array(Math.ceil(count * ROOM));
      rows = new Float32Array(scales.length * dimension);
    }
    for (let i = goesOn ? filled.length : 0; i < count; i++) {
      const feature = features.get(examples[i]!.hash)!;
      rows.set(feature, i * dimension);
      scales[i] = 1 / (norm(feature) || 1);
    }
    filled = examples;
    return {
      rows: matrix(count, dimension, rows.subarray(0, count * dimension)),
      scales: scales.subarray(0, count),
    };
  };
}

/** Number of parts that pictures are divided into for a rehearsal. One part is left out. */
const PARTS = 4;

/** Factor by which more rows are allocated than are needed. */
const ROOM = 1.25;

/** Largest number of pictures that are searched for near-duplicates, because every pair is compared. */
const MOST_COMPARED = 4000;

async function groupAlike(lesson: Lesson, features: Matrix, signal: AbortSignal): Promise<Apart> {
  const { examples } = lesson;
  if (examples.length > MOST_COMPARED) return { ...lesson, alike: [] };
  const { groups: sets } = await nearDuplicates(unitRows(features), { signal });
  const joined = new DisjointSets(examples.length);
  const sameGroup = groupBy(examples.keys(), (i) => examples[i]!.group).values();
  for (const [first, ...rest] of [...sameGroup, ...sets]) for (const i of rest) joined.union(first!, i);
  const isBurst = (set: readonly number[]) => new Set(set.map((i) => examples[i]!.group)).size === 1;
  return {
    ...lesson,
    examples: examples.map((example, i) => ({ ...example, group: joined.find(i) })),
    alike: sets.filter((set) => !isBurst(set)).map((set) => set.map((i) => examples[i]!.hash)),
  };
}
