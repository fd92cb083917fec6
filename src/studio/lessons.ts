import { onAbort } from '../abort.ts';
import type { ClassifierData } from '../classifier/types.ts';
import { InterruptedError } from '../errors.ts';
import { methodById, tipAdapter } from '../methods/index.ts';
import type { FitProgress } from '../methods/task.ts';
import { UNTUNED } from '../tuning/search-method.ts';
import { guessAll, labelNext } from './active-learning.ts';
import { type Board, EMPTY_BOARD, type OptionValue, type Settings } from './board.ts';
import { type Check, checkClassifier } from './check.ts';
import { constantsOf } from './instant.ts';
import { type Lesson, lessonOf } from './lesson.ts';
import { searchMap } from './search-map.ts';
import {
  type Answering,
  type Guess,
  type LessonStatus,
  type NextPicture,
  type PastCheck,
  problemOf,
  type SearchMap,
  type Teaching,
  type Untestable,
} from './status.ts';
import type { Apart, Constants, LessonClassifier, Teacher } from './teacher.ts';

/** Constants of Tip-Adapter that were tuned on left-out pictures, and the lesson that they were tuned for. */
interface Tuned extends Required<Constants> {
  readonly data: ClassifierData;
}

/** The present classifier, and the lesson that it has learnt. */
interface Current {
  readonly classifier: LessonClassifier;
  readonly lesson: Lesson;
  readonly status: Answering;
}

/** A check, and the classifier that was checked. */
export interface Checked {
  readonly check: Check;
  readonly serial: number;
  readonly classifier: LessonClassifier;
  readonly lesson: Lesson;
  readonly alike: Apart['alike'];
  readonly past: readonly PastCheck[];
}

/**
 * Keeps a classifier up to date with the board. After every change, Tip-Adapter answers at once with its present constants. In the
 * background, its constants are tuned again, then the method that the person chose is fitted and replaces it, then that is checked.
 * The next change stops all of this.
 */
export class Lessons {
  readonly #teacher: Teacher;
  readonly #tell: () => void;
  readonly #unusable = new Set<string>();
  #board: Board = EMPTY_BOARD;
  #taught?: Board;
  #work: Promise<void> = Promise.resolve();
  #stop = new AbortController();
  readonly #end = new AbortController();
  #changed = 0;
  #serial = 0;
  #tuned?: Tuned;
  #teaching: Teaching = { stage: 'waiting' };
  #answering?: Current;
  #check?: Checked;
  #past: readonly PastCheck[] = [];
  #untestable?: readonly Untestable[];
  #cut: readonly string[] = [];
  #pause?: Pause;

  constructor(teacher: Teacher, tell: () => void) {
    this.#teacher = teacher;
    this.#tell = tell;
  }

  get answering(): LessonClassifier | undefined {
    return this.#answering?.classifier;
  }

  get check(): Checked | undefined {
    return this.#check;
  }

  get status(): LessonStatus {
    return {
      teaching: this.#teaching,
      answering: this.#answering?.status,
      check: this.#check?.serial,
      untestable: this.#untestable,
      cut: this.#cut,
    };
  }

  /** Learns the board, unless it has been learnt. */
  teach(board: Board): void {
    if (teachesSame(board, this.#board)) return;
    this.#board = board;
    this.#changed = performance.now();
    this.#stop.abort();
    this.#work = this.#work.then(() => this.#lesson());
  }

  /** Stops the running search. The present classifier stays. */
  stop(): void {
    this.#stop.abort();
    this.#set({ ...this.#teaching, stage: 'done', stopped: true });
  }

  /** Pauses the running training after its next step, or resumes it. */
  pause(paused: boolean): void {
    if (this.#teaching.stage !== 'searching' || paused === (this.#pause !== undefined)) return;
    this.#pause?.end();
    this.#pause = paused ? createPause(this.#stop.signal) : undefined;
    this.#set({ ...this.#teaching, paused });
  }

  /** Unsorted pictures to label next, those of `kept` first. Empty while there is no classifier. */
  async next(
    board: Board,
    kept: ReadonlySet<string> = new Set(),
    signal?: AbortSignal,
  ): Promise<NextPicture[]> {
    const unsorted = [...board.pictures.values()].filter(
      ({ classId, hash }) => !classId && !this.#unusable.has(hash),
    );
    if (!this.#answering || unsorted.length === 0) return [];
    const looked = unsorted.filter(({ hash }, i) => i < LOOKED_AT || kept.has(hash));
    const { hashes, rows } = await this.#teacher.embed(looked, signal);
    const { classifier, lesson } = this.#answering;
    return labelNext(classifier, lesson, hashes, rows, kept);
  }

  /** The most probable class of each unsorted picture. Empty while there is no classifier. */
  async guesses(board: Board, signal?: AbortSignal): Promise<Guess[]> {
    const unsorted = [...board.pictures.values()].filter(
      ({ classId, hash }) => !classId && !this.#unusable.has(hash),
    );
    if (!this.#answering || unsorted.length === 0) return [];
    const { hashes, rows } = await this.#teacher.embed(unsorted.slice(0, MOST_GUESSED), signal);
    const { classifier, lesson } = this.#answering;
    return guessAll(classifier, lesson, hashes, rows);
  }

  /** How many left-out pictures Tip-Adapter recognises at each alpha and beta; undefined before its first search. */
  async searchMap(signal?: AbortSignal): Promise<SearchMap | undefined> {
    return this.#tuned?.data.method === tipAdapter.id ? searchMap(this.#tuned.data, signal) : undefined;
  }

  /** Resolves when the board is learnt and checked. */
  settled(): Promise<void> {
    return this.#work;
  }

  async close(): Promise<void> {
    this.#end.abort();
    this.#stop.abort();
    await this.#work;
    await this.#answering?.classifier.close();
  }

  async #lesson(): Promise<void> {
    if (this.#taught && teachesSame(this.#board, this.#taught)) return;
    try {
      const { board, lesson } = await this.#look();
      this.#taught = board;
      const stop = new AbortController();
      this.#stop = stop;
      const { instant } = this.#teacher;
      const isEmpty = lesson.examples.length === 0 && !instant.needs.includes('text');
      if (lesson.classes.length < 2 || isEmpty) return await this.#wait();
      // If the board changed meanwhile, another turn follows.
      if (board !== this.#board) return;
      await this.#instant(lesson, board);
      await this.#search(lesson, board, stop.signal);
    } catch (error) {
      if (error instanceof InterruptedError) return;
      this.#set({ stage: 'done', problem: problemOf(error) });
    }
  }

  /** Waits for a second class, or for a picture if class names are not read: without them there is no classifier. */
  async #wait(): Promise<void> {
    await this.#answering?.classifier.close();
    this.#answering = undefined;
    this.#check = undefined;
    this.#untestable = undefined;
    this.#set({ stage: 'waiting' });
  }

  /**
   * Embeds the new pictures of the board, also of boards that follow meanwhile: a change does not stop embedding. From the first
   * hundred pictures on, a classifier of the embedded ones answers.
   */
  async #look(): Promise<{ board: Board; lesson: Lesson }> {
    const { signal } = this.#end;
    const usable = (hash: string) => !this.#unusable.has(hash);
    const isKnown = (hash: string) => this.#teacher.knows(hash);
    let next = 0;
    for (;;) {
      const board = this.#board;
      const lesson = lessonOf(board, usable);
      const total = lesson.examples.length;
      const done = lesson.examples.filter(({ hash }) => isKnown(hash)).length;
      if (done < total) this.#set({ stage: 'looking', done, total });
      if (done >= FIRST && done < total && performance.now() >= next) {
        const known = lessonOf(board, (hash) => usable(hash) && isKnown(hash));
        await this.#teacher.embedLesson({ classes: known.classes, examples: [] }, { signal });
        if (known.classes.length >= 2) await this.#instant(known, board);
        next = performance.now() + ANSWER_EVERY;
      }
      const failed = await this.#teacher.embedLesson(lesson, {
        most: TOGETHER,
        signal,
        onProgress: ({ done: more }) => this.#set({ stage: 'looking', done: done + more, total }),
      });
      this.#cut = this.#teacher.cut(lesson);
      for (const hash of failed) this.#unusable.add(hash);
      const isAll = total - done <= TOGETHER && failed.length === 0;
      if (isAll && board === this.#board) return { board, lesson };
    }
  }

  async #instant(lesson: Lesson, { settings }: Board): Promise<void> {
    const hand = byHand(settings);
    const { defaults } = this.#teacher.encoder;
    const known = this.#tuned ?? { alpha: defaults.alpha, beta: defaults.beta, calibration: UNTUNED };
    // The temperature of other constants is better than none, but it was not fitted to any rows for these.
    const near = { ...UNTUNED, temperature: known.calibration.temperature };
    const constants = hand ? { ...hand, calibration: near } : known;
    const classifier = await this.#teacher.live(lesson, settings, constants);
    await this.#takeOver(classifier, lesson, hand ? 'hand' : 'instant');
  }

  async #search(lesson: Lesson, { settings }: Board, signal: AbortSignal): Promise<void> {
    const { instant } = this.#teacher;
    const method = settings.method === tipAdapter.id ? instant.id : settings.method;
    const [losses, leftOut]: [number[], number[]] = [[], []];
    const curves = () => ({ losses: losses.slice(-500), leftOut });
    this.#pause = undefined;
    const resume = async () => this.#pause?.over;
    const onFit = ({ done, total, loss, validated }: FitProgress) => {
      if (loss !== undefined) losses.push(loss);
      if (validated !== undefined) leftOut.push(validated);
      const paused = this.#pause !== undefined;
      this.#set({ stage: 'searching', done, total, ...curves(), paused });
    };
    this.#set({ stage: 'searching' });
    const apart = await this.#teacher.apart(lesson, signal);
    const watch = { signal, onFit, resume };
    const tuned = await this.#teacher.searched(apart, settings, { method: instant.id }, watch);
    this.#tuned = tunedOf(tuned);
    const hand = byHand(settings);
    if (hand) {
      const constants = constantsOf(instant, hand);
      const own = await this.#teacher.searched(apart, settings, { method: instant.id, ...constants }, watch);
      await this.#takeOver(own, lesson, 'hand');
    } else {
      await this.#takeOver(tuned, lesson, method === instant.id ? 'searched' : 'instant');
      if (method !== instant.id) {
        if (this.#tuned && method !== 'auto')
          await this.#teacher.rehearse(apart, settings, method, this.#tuned, watch);
        losses.length = 0;
        const found = await this.#teacher.searched(
          apart,
          settings,
          { method, options: settings.options },
          watch,
        );
        await this.#takeOver(found, lesson, 'searched');
      }
    }
    this.#set({ stage: 'checking', ...curves() });
    const { classifier, status } = this.#answering as Current;
    const { support, options } = tuned.data;
    const { groups } = support;
    const check = await checkClassifier(
      { ...classifier.data, support: { ...classifier.data.support, groups } },
      { method: instant, alpha: 1, ...(options as { alpha?: number; beta: number }) },
      signal,
    );
    this.#untestable = untestableOf(lesson, apart);
    if (check) this.#past = [...this.#past, pastOf(check, lesson)].slice(-MOST_PAST);
    this.#check = check && {
      check,
      serial: status.serial,
      classifier,
      lesson,
      alike: apart.alike,
      past: this.#past,
    };
    this.#set({ stage: 'done', ...curves() });
  }

  /** Makes the classifier the present one. The one before is closed when it has answered its pending requests. */
  async #takeOver(classifier: LessonClassifier, lesson: Lesson, by: Answering['by']): Promise<void> {
    const before = this.#answering?.classifier;
    const { method, options, classes, examples } = classifier.data;
    const { alpha, beta } = options as { alpha?: number; beta?: number };
    const isTip = method === tipAdapter.id;
    const status: Answering = {
      serial: ++this.#serial,
      method,
      parts: methodById(method).composite && partsOf(options),
      by,
      calibrated: classifier.calibrated,
      classes: classes.length,
      pictures: examples.length,
      ...(isTip ? { alpha, beta } : {}),
      tuned:
        this.#tuned?.data.method === tipAdapter.id
          ? { alpha: this.#tuned.alpha, beta: this.#tuned.beta }
          : undefined,
      options: Object.fromEntries(Object.entries(options).filter(isValue)),
      took: performance.now() - this.#changed,
    };
    this.#answering = { classifier, lesson, status };
    this.#tell();
    // Only Node's timer has `unref`, which lets the program end.
    if (before) Object(setTimeout(() => void before.close(), GRACE)).unref?.();
  }

  #set(teaching: Teaching): void {
    this.#teaching = teaching;
    this.#tell();
  }
}

interface Pause {
  /** Resolves when the pause or the session ends. */
  readonly over: Promise<void>;
  end(): void;
}

function createPause(signal: AbortSignal): Pause {
  let end = () => {};
  const over = new Promise<void>((resolve) => {
    end = resolve;
  });
  onAbort(signal, end);
  return { over, end };
}

/** Number of embedded pictures for a first classifier, if more are to be embedded. */
const FIRST = 100;
/** Milliseconds between two classifiers while pictures are still being embedded. */
const ANSWER_EVERY = 2000;
/** Number of pictures that are embedded before the board is read again. */
const TOGETHER = 32;

/** Largest number of unsorted pictures from which proposals are chosen. */
const LOOKED_AT = 500;

/** Largest number of unsorted pictures that are classified. */
const MOST_GUESSED = 5000;

/** Number of checks that are kept. */
const MOST_PAST = 20;

const pastOf = ({ perClass }: Check, { classes }: Lesson): PastCheck =>
  Object.fromEntries(classes.map(({ key }, c) => [key, perClass[c]!]));

/** Milliseconds for which a replaced classifier still answers its pending requests. */
const GRACE = 5_000;

/** Whether two boards have the same training data and method. The rejection threshold does not matter. */
function teachesSame(a: Board, b: Board): boolean {
  const { reject: _, ...own } = a.settings;
  const { reject: __, ...other } = b.settings;
  return (
    a.classes === b.classes && a.pictures === b.pictures && JSON.stringify(own) === JSON.stringify(other)
  );
}

const isValue = (entry: [string, unknown]): entry is [string, OptionValue] =>
  ['number', 'string', 'boolean'].includes(typeof entry[1]);

function tunedOf({ data }: LessonClassifier): Tuned | undefined {
  const { options, tuning } = data;
  if (tuning.protocol === 'fixed') return undefined;
  // The cache alone is Tip-Adapter without its text: the examples' weight only scales it.
  const { alpha = 1, beta } = options as { alpha?: number; beta: number };
  return { alpha, beta, calibration: tuning, data };
}

/** The constants that are set by hand, if any. Tip-Adapter then answers with them, whatever method is chosen. */
function byHand({ alpha, beta }: Settings): { alpha: number; beta: number } | undefined {
  return alpha !== undefined && beta !== undefined ? { alpha, beta } : undefined;
}

/** Classes with only one group. It is never left out, so these classes cannot be tested. */
function untestableOf(lesson: Lesson, apart: Apart): Untestable[] {
  const groups = ({ classes, examples }: Lesson) => {
    const sets = classes.map(() => new Set<number>());
    for (const { label, group } of examples) sets[label]!.add(group);
    return sets.map(({ size }) => size);
  };
  const [own, joined] = [groups(lesson), groups(apart)];
  const several = new Set<number>();
  const seen = new Set<number>();
  for (const { label } of lesson.examples) (seen.has(label) ? several : seen).add(label);
  return lesson.classes.flatMap(({ key: id }, c): Untestable[] =>
    joined[c]! > 1 ? [] : [{ id, why: !several.has(c) ? 'one' : own[c] === 1 ? 'burst' : 'alike' }],
  );
}

function partsOf(options: Readonly<Record<string, unknown>>): Answering['parts'] {
  return Object.entries(options.parts as Record<string, { share: number }>).map(([id, { share }]) => ({
    name: methodById(id).name,
    share,
  }));
}
