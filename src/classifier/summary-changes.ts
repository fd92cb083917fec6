import type { ClassInfo, Finding } from '../dataset/types.ts';
import { sharedEngine } from '../engine/shared.ts';
import { UsageError } from '../errors.ts';
import { methodById } from '../methods/index.ts';
import { mergeSummaries } from '../methods/merge-summaries.ts';
import { fitSummary, summarise } from '../methods/summarise.ts';
import type { Summary } from '../methods/summary.ts';
import type { Support } from '../methods/task.ts';
import { resolveOptions } from '../options.ts';
import { originOf, taskOf } from './classifier-task.ts';
import type { ClassifierData } from './types.ts';

/**
 * A classifier that learnt from a summary, with further examples: their sums are added, and the method learns again with the same options.
 * Throws `UsageError` for new classes.
 */
export async function withSummarised(
  data: ClassifierData,
  summary: Summary,
  support: Support,
  classes: readonly ClassInfo[],
  signal?: AbortSignal,
): Promise<ClassifierData> {
  if (classes.length > data.classes.length) {
    throw summarisedError(`It cannot get the new class "${classes[data.classes.length]!.name}"`);
  }
  const method = methodById(data.method);
  if (method.summary!.sample) {
    throw summarisedError(
      `${method.name} reads all of them for every step, so no example can be added`,
      'Fit it again from the features.',
    );
  }
  const options = resolveOptions(method.options, data.options);
  const task = { ...taskOf(data, signal), engine: sharedEngine() };
  const { basis } = summary;
  const more = await summarise(method, { ...task, support }, options, {
    ...originOf(data, method, options),
    basis,
  });
  const whole = mergeSummaries(summary, more);
  // The error of an approximation was measured when the classifier was fitted, and stays as it is.
  const measured = (method.summary!.measured ?? []).map((name) => [name, data.state[name]!]);
  const state = { ...(await fitSummary(method, whole, task, options)), ...Object.fromEntries(measured) };
  return { ...data, summary: whole, state, version: data.version + 1 };
}

/** The error for a change that needs the examples of a classifier which has only their summary. */
export function summarisedError(
  what: string,
  hint = 'Fit it again from the features. add works for the classes that it has.',
): UsageError {
  return new UsageError(`The classifier has learnt from a summary and does not keep its examples. ${what}`, {
    code: 'classifier/summary',
    hint,
  });
}

/** The finding that examples are counted twice if they are added again, because a summary does not show which examples it has. */
export const COUNTED_TWICE: Finding = {
  level: 'warning',
  code: 'add/summary',
  message:
    'The classifier has learnt from a summary and does not keep its examples, so an example that is added again counts twice',
};

/** Tells that pictures which a classifier has learnt from cannot be left out of its test. */
export function summarisedFindings({ summary }: ClassifierData): Finding[] {
  if (!summary) return [];
  const message =
    'The classifier has learnt from a summary and does not keep its examples, so examples among the tested pictures are not recognised as such; test it on others';
  return [{ level: 'warning', code: 'eval/summary', message }];
}
