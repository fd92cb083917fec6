import { UsageError } from '../errors.ts';
import type { Options, ValuesOf } from '../options.ts';
import { checkNeeds, type Method, type State, type SummaryForm } from './method.ts';
import { listMethods } from './registry.ts';
import { samplesOf } from './samples.ts';
import { summariseWith } from './summariser.ts';
import type { Summary } from './summary.ts';
import type { Task } from './task.ts';

/**
 * The form in which a method learns from a summary. Throws `UsageError` that lists the methods with one, or names the option that needs
 * the examples themselves.
 */
export function summaryFormOf(method: Method, options: ValuesOf<Options>): SummaryForm {
  const form = method.summary;
  if (!form) {
    const able = listMethods().flatMap(({ id, summary }) => (summary ? [id] : []));
    throw new UsageError(`${method.id} cannot learn from a summary: it needs the examples themselves`, {
      code: 'method/summary',
      hint: `Methods that learn from a summary: ${able.join(', ')}.`,
      details: { method: method.id },
    });
  }
  const refused = form.refuses?.(options);
  if (refused === undefined) return form;
  throw new UsageError(`${method.id} cannot learn from a summary with these options: ${refused}`, {
    code: 'method/summary-option',
    hint: 'Give another value, or learn from examples in memory.',
    details: { method: method.id },
  });
}

/** Refuses a task that lacks something a fit from a summary needs. Throws `UsageError`. */
export function checkSummaryNeeds(method: Method, task: Task): void {
  const needs = method.needs.filter((need) => need !== 'examples' && need !== 'two-examples');
  checkNeeds({ ...method, needs }, task);
}

/** The summary of the task's examples: every augmented view is a row, as for the methods themselves. Throws as `summaryFormOf`. */
export async function summarise(
  method: Method,
  task: Pick<Task, 'classes' | 'dimension' | 'head' | 'support' | 'engine' | 'signal'>,
  options: ValuesOf<Options>,
  basis?: Summary['basis'],
): Promise<Summary> {
  return summariseWith(
    summaryFormOf(method, options),
    samplesOf(task.support),
    { task, options, basis },
    task,
  );
}

/** The state that a method learns from a summary. Throws as `summaryFormOf` and `checkNeeds`. */
export async function fitSummary(
  method: Method,
  summary: Summary,
  task: Task,
  options: ValuesOf<Options>,
): Promise<State> {
  const form = summaryFormOf(method, options);
  checkSummaryNeeds(method, task);
  return form.fit(summary, task, options);
}
