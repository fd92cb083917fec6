import type { Options, ValuesOf } from '../options.ts';
import type { SumForm, SummaryForm } from './method.ts';
import type { Sums } from './summary.ts';
import type { Task } from './task.ts';

/** Sizes of all sums of a form. */
export function sumShapes(
  form: SumForm,
  task: Pick<Task, 'classes' | 'dimension'>,
  options: ValuesOf<Options>,
  basis: Sums['basis'] = {},
): Readonly<Record<string, readonly number[]>> {
  return { counts: [task.classes], ...form.shapes(task, options, basis) };
}

/** The values of the options that the sums of a form depend on, such as "beta 1.7, frequencies 1024". */
export function sumOptionsOf({ sumOptions = [] }: SummaryForm, options: ValuesOf<Options>): string {
  return sumOptions.map((name) => `${name} ${options[name]}`).join(', ');
}

/** Sizes of the sums and of the basis that a method has for a task. */
export function summaryShapes(
  form: SummaryForm,
  task: Pick<Task, 'classes' | 'dimension'>,
  options: ValuesOf<Options>,
): Readonly<Record<keyof Sums, Readonly<Record<string, readonly number[]>>>> {
  return { sums: sumShapes(form, task, options), basis: form.basis?.shapes(task, options) ?? {} };
}
