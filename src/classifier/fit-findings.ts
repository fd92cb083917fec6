import { quoted } from '../dataset/findings.ts';
import type { ClassInfo, Example, Finding } from '../dataset/types.ts';
import { messageAbout } from '../errors.ts';
import { leftOutClasses } from '../methods/folds.ts';
import { methodById } from '../methods/list.ts';
import type { Interruption } from '../methods/task.ts';
import { resolveOptions } from '../options.ts';
import { count, number, plural } from '../words.ts';
import { taskOf } from './classifier-task.ts';
import type { ClassifierData } from './types.ts';

/** Warns of pictures that could not be read. */
export function unreadable(code: string, failures: readonly { id: string; error: Error }[]): Finding[] {
  if (failures.length === 0) return [];
  const message = `${count(failures.length, 'picture')} could not be read and ${plural(failures.length, 'is', 'are')} left out`;
  const paths = failures.map(({ id, error }) => messageAbout(id, error.message));
  return [{ level: 'warning', code, message, paths }];
}

/**
 * Warns of classes whose pictures could all not be read, which is known only after decoding. `kept` are the readable pictures, `code` is
 * the finding's code, and `consequence` says what the loss means.
 */
export function emptiedClasses(
  classes: readonly ClassInfo[],
  examples: readonly Example[],
  kept: readonly Example[],
  { code, consequence }: { code: string; consequence: string },
): Finding[] {
  const labelsOf = (some: readonly Example[]) => new Set(some.map(({ label }) => label));
  const [before, left] = [labelsOf(examples), labelsOf(kept)];
  const ids = classes.filter((_, c) => before.has(c) && !left.has(c)).map(({ id }) => id);
  if (ids.length === 0) return [];
  const have = count(ids.length, 'class has', 'classes have');
  const message = `${have} no picture left, because none could be read (${quoted(ids)}); ${consequence}`;
  return [{ level: 'warning', code, message, paths: ids }];
}

/**
 * The classes without a left-out example, because all their examples are in one group. A score on left-out examples says nothing about
 * these classes. Empty if the tuning rows were not left-out examples.
 */
function unevaluatedClasses({
  tuning,
  support,
  classes,
}: Pick<ClassifierData, 'tuning' | 'support' | 'classes'>): ClassInfo[] {
  if (tuning.folds === 0) return [];
  const evaluated = leftOutClasses(support);
  return classes.filter((_, c) => !evaluated.has(c));
}

/** Number of classes of the tuning rows: of the labels of a split, or else of the left-out examples. Undefined without tuning rows. */
export function judgedClassesOf(
  data: Pick<ClassifierData, 'tuning' | 'support' | 'classes'>,
  labels?: Int32Array,
): number | undefined {
  if (data.tuning.judges === 0) return undefined;
  return labels && data.tuning.folds === 0
    ? new Set(labels).size
    : data.classes.length - unevaluatedClasses(data).length;
}

/** Warns of a classifier that answers the tuning rows no better than by chance. */
export function chanceFindings({ tuning, classes }: Pick<ClassifierData, 'tuning' | 'classes'>): Finding[] {
  const [own] = tuning.compared ?? [];
  const chance = { accuracy: 1 / classes.length, nll: Math.log(classes.length) };
  if (!own || (own.accuracy > chance.accuracy && own.nll < chance.nll)) return [];
  const message = `The classifier is no better than chance on ${count(tuning.judges, 'row')} that it had not learnt from: accuracy ${(100 * own.accuracy).toFixed(1)}%, NLL ${own.nll.toFixed(3)}; chance has ${(100 * chance.accuracy).toFixed(1)}% and ${chance.nll.toFixed(3)}. Give more examples, or choose another method`;
  return [{ level: 'warning', code: 'fit/chance', message }];
}

/** Warns of these classes. */
export function unevaluatedFindings(data: Pick<ClassifierData, 'tuning' | 'support' | 'classes'>): Finding[] {
  const ids = unevaluatedClasses(data).map(({ id }) => id);
  if (ids.length === 0) return [];
  const classes = `${number(ids.length)} of ${count(data.classes.length, 'class', 'classes')}`;
  const message = `${classes} could not be evaluated on left-out examples, because they do not have two examples that differ: ${quoted(ids)}`;
  return [{ level: 'warning', code: 'fit/unjudged-class', message, paths: ids }];
}

/** The findings of a fit about its method: differences from the paper, and measurements of the approximation. */
export function remarksOf(data: ClassifierData): readonly string[] {
  const { remarks, options } = methodById(data.method);
  const told = remarks?.(taskOf(data), resolveOptions(options, data.options), data.state) ?? [];
  return data.interrupted ? [interruptedText(data.interrupted), ...told] : told;
}

function interruptedText({ epochs, of }: Interruption): string {
  return `The training was interrupted after ${count(epochs, 'epoch')} of ${number(of)}`;
}

export function remarkFindings(data: ClassifierData): Finding[] {
  return remarksOf(data).map((message) => ({ level: 'info', code: 'fit/remark', message }));
}
