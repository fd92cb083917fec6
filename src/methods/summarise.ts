import { UsageError } from '../errors.ts';
import type { Tensor } from '../math/tensor.ts';
import type { Options, ValuesOf } from '../options.ts';
import { count } from '../words.ts';
import { listMethods } from './list.ts';
import type { Method, Passes, State, SumForm, SummaryForm } from './method.ts';
import { checkNeeds } from './needs.ts';
import { samplesOf } from './samples.ts';
import { summariseWith } from './summariser.ts';
import { hasShape, rowCount, type Summary, type SummaryOrigin, type Sums } from './summary.ts';
import { summaryShapes, sumOptionsOf } from './summary-shapes.ts';
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

/** The form of a method's sums, or of the sums of its pass of this name. Throws as `summaryFormOf`. */
export function sumFormOf(method: Method, options: ValuesOf<Options>, pass?: string): SumForm {
  const form = summaryFormOf(method, options);
  if (pass === undefined) return form;
  const later = form.passes?.[pass];
  if (!later) throw unfit(`${method.id} has no sums of the name ${pass}`);
  return later;
}

/** Refuses a task that lacks something a fit from a summary needs. Throws `UsageError`. */
export function checkSummaryNeeds(method: Method, task: Task): void {
  const needs = method.needs.filter((need) => need !== 'examples' && need !== 'two-examples');
  checkNeeds({ ...method, needs }, task);
}

/**
 * The summary of the task's examples: every augmented view is a row, as for the methods themselves. `encoder` and `classes` give the origin
 * of the rows (see `SummaryOrigin`), because only summaries of the same encoder and classes can be merged. They must also have the same
 * `basis`: give the basis of the first part's summary to those of the other parts. By default it is chosen from the task's examples, if the
 * method has one. Throws as `summaryFormOf`, and `UsageError` if the classes are not as many as the task's or the basis is of other sizes.
 */
export async function summarise(
  method: Method,
  task: Pick<Task, 'classes' | 'dimension' | 'support' | 'engine' | 'signal'>,
  options: ValuesOf<Options>,
  { encoder, classes, basis }: Pick<SummaryOrigin, 'encoder' | 'classes'> & Partial<Pick<Sums, 'basis'>>,
): Promise<Summary> {
  const form = summaryFormOf(method, options);
  const origin = { method: method.id, encoder, classes, options: sumOptionsOf(form, options) };
  checkClasses(origin, task);
  if (basis) checkShapes(basis, summaryShapes(form, task, options).basis);
  return { origin, ...(await summariseWith(form, samplesOf(task.support), { task, options, basis }, task)) };
}

/**
 * The state that a method learns from a summary. `passes` reads the rows again, for a method that needs it. Throws as `summaryFormOf` and
 * `checkNeeds`, and `UsageError` if the summary is of another method, of no rows, of other numbers of classes or dimensions than the task, or
 * was made with other values of options that its sums depend on, or if the method needs `passes` and gets none.
 */
export async function fitSummary(
  method: Method,
  summary: Summary,
  task: Task,
  options: ValuesOf<Options>,
  passes?: Passes,
): Promise<State> {
  const form = summaryFormOf(method, options);
  checkSummaryNeeds(method, task);
  if (form.sample && !passes)
    throw unfit(`${method.id} reads the rows several times, and sums do not suffice`);
  if (summary.origin.method !== method.id)
    throw unfit(`it is of the method ${summary.origin.method}, and ${method.id} is to learn from it`);
  checkClasses(summary.origin, task);
  const wanted = sumOptionsOf(form, options);
  if (summary.origin.options !== wanted)
    throw unfit(`its sums were made with ${summary.origin.options}, and the options are ${wanted}`);
  const shapes = summaryShapes(form, task, options);
  checkShapes(summary.sums, shapes.sums);
  checkShapes(summary.basis, shapes.basis);
  if (rowCount(summary) === 0) throw unfit('it is of no rows');
  return form.fit(summary, task, options, passes);
}

function checkClasses({ classes }: Pick<SummaryOrigin, 'classes'>, task: Pick<Task, 'classes'>): void {
  if (classes.length === task.classes) return;
  throw unfit(`it is of ${count(classes.length, 'class', 'classes')}, and the task has ${task.classes}`);
}

function checkShapes(
  tensors: Readonly<Record<string, Tensor>>,
  shapes: Readonly<Record<string, readonly number[]>>,
): void {
  for (const [name, shape] of Object.entries(shapes)) {
    const own = tensors[name];
    if (!hasShape(own, shape))
      throw unfit(
        `its ${name} are [${own?.shape.join(', ') ?? 'missing'}], and the task needs [${shape.join(', ')}]`,
      );
  }
}

function unfit(why: string): UsageError {
  return new UsageError(`The summary does not fit the task: ${why}`, {
    code: 'summary/task',
    hint: 'Learn from a summary of the same method, classes, features and options.',
  });
}
