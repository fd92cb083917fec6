import type { ClassifierData } from '../classifier/types.ts';
import { groupBy } from '../dataset/groups.ts';
import { baselineMethods, methodById } from '../methods/index.ts';
import { tuningRowsText } from '../report/choice.ts';
import { percent } from '../report/numbers.ts';
import type { Compared } from '../tuning/search-method.ts';

type Constants = Pick<ClassifierData, 'method' | 'options' | 'tuning'>;

/** A method with its constants and the way they were chosen: `tip-adapter, alpha 1.2, beta 9 (tuned by folds)`. */
export function methodText(data: Constants): string {
  const constants = constantsText(data);
  return constants === '' ? data.method : `${data.method}, ${constants}`;
}

/**
 * A method's constants and their origin: `shrinkage 1 (tuned by folds), alpha 3 (given), epochs 20 (default)`. For a stack, its
 * parts: `anchored 62% + gda 38% (tuned by folds)`.
 */
export function constantsText({ method, options, tuning }: Constants): string {
  const chosen = protocolText(tuning.protocol);
  if (methodById(method).composite) {
    const parts = Object.entries(options.parts as Record<string, { share: number }>);
    return `${parts.map(([id, { share }]) => `${id} ${Math.round(100 * share)}%`).join(' + ')} (${chosen})`;
  }
  const { tuned = [], given, fromExamples = [] } = tuning;
  const from = (name: string): string => {
    if (fromExamples.includes(name)) return 'from the examples';
    // Files of earlier versions do not distinguish given options from defaults.
    if (given === undefined || tuned.includes(name)) return chosen;
    return given.includes(name) ? 'given' : 'default';
  };
  const numbers = Object.entries(options).flatMap(([name, value]) =>
    typeof value === 'number'
      ? [
          {
            from: from(name),
            text: `${name} ${Number.isInteger(value) ? value : Number(value.toPrecision(3))}`,
          },
        ]
      : [],
  );
  return [...groupBy(numbers, (number) => number.from)]
    .map(([origin, own]) => `${own.map(({ text }) => text).join(', ')} (${origin})`)
    .join(', ');
}

/**
 * A sentence with the accuracy of the method, Tip-Adapter and zero-shot on the tuning rows, and the number of classes of these.
 * Undefined if the method was not measured on any.
 */
export function comparedText(data: ClassifierData): string | undefined {
  const { compared = [], fineTuned } = data.tuning;
  const [own, ...others] = compared;
  const baselines = baselineMethods().flatMap(({ id }) => others.filter(({ method }) => method === id));
  if (!own) return undefined;
  const figures = ({ accuracy, nll }: Compared) => `${percent(accuracy)} (NLL ${nll.toFixed(3)})`;
  const told = baselines.map((each) => `${each.method} ${figures(each)}`);
  const known = fineTuned ? ', which are too good after the fine-tuning' : '';
  const beside = told.length > 0 ? `; ${told.join(', ')}` : '';
  return `Accuracy on ${tuningRowsText(data)}${known}: ${figures(own)}${beside}`;
}

/** A protocol in words. Every printed figure of a classifier that was tuned on the test split says so. */
export function protocolText(protocol: string): string {
  if (protocol === 'fixed') return 'not tuned';
  if (protocol === 'left-out') return 'tuned on left-out rows';
  return protocol === 'paper'
    ? 'tuned on the test split as in the paper, optimistic'
    : `tuned by ${protocol}`;
}
