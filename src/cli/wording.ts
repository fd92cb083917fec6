import type { ClassifierData } from '../classifier/types.ts';
import { unjudgedClasses } from '../classifier/unjudged.ts';
import { groupBy } from '../dataset/groups.ts';
import type { Finding } from '../dataset/types.ts';
import type { Option } from '../options.ts';
import { percent } from '../report/numbers.ts';
import { count, number } from '../words.ts';
import type { Io } from './io.ts';

/** A number of bytes as downloads show it: `606 MB`. */
export function bytes(value: number): string {
  if (value < 1000) return `${Math.round(value)} B`;
  const [unit, size] = [['GB', 1e9] as const, ['MB', 1e6] as const, ['KB', 1e3] as const].find(
    ([, least]) => value >= least,
  ) as readonly [string, number];
  const scaled = value / size;
  return `${scaled < 9.95 ? scaled.toFixed(1) : Math.round(scaled)} ${unit}`;
}

/** A time to wait: `12 s`, `3 min`. */
export function clock(seconds: number): string {
  if (seconds < 90) return `${Math.max(1, Math.round(seconds))} s`;
  if (seconds < 5400) return `${Math.round(seconds / 60)} min`;
  return `${(seconds / 3600).toFixed(1)} h`;
}

/** How an option is typed: `-o, --output <file>`; one that is on by default is typed to turn it off. */
export function flagsText(name: string, { short, value: named, choices, ...option }: Option): string {
  const value = choices ? '<name>' : named;
  const long = name.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`);
  return `${short ? `-${short}, ` : ''}--${isOn(option) ? 'no-' : ''}${long}${value ? ` ${value}` : ''}`;
}

const isOn = ({ isOn: set, default: preset }: Pick<Option, 'isOn' | 'default'>) => set ?? preset === true;

/** What an option does, and what it is without being given. */
export function helpText({ help, choices, ...option }: Option): string {
  const { default: preset } = option;
  if (isOn(option)) return `Do not ${help[0].toLowerCase()}${help.slice(1)}`;
  const facts = [
    ...(choices ? [`one of ${choices.join(', ')}`] : []),
    ...(preset === undefined || preset === false || String(preset) === '' ? [] : [`default: ${preset}`]),
  ];
  return facts.length > 0 ? `${help.replace(/\.$/, '')} (${facts.join('; ')}).` : help;
}

const SHOWN = 5;

/** Tells what was noticed: warnings with the files they are about, the rest in a line each. */
export function tellFindings(io: Io, findings: readonly Finding[]): void {
  for (const { level, message, paths = [] } of findings) {
    if (level === 'info') {
      io.note(message);
      continue;
    }
    io.note({ style: 'yellow', mark: 'warning:', text: message });
    tellSome(io, paths);
  }
}

/** The first few lines of a list, and how many more there are. */
export function tellSome(io: Io, lines: readonly string[]): void {
  for (const line of lines.slice(0, SHOWN)) io.note(`  ${line}`);
  if (lines.length > SHOWN) io.note(`  and ${number(lines.length - SHOWN)} more`);
}

type Constants = Pick<ClassifierData, 'method' | 'options' | 'tuning'>;

/** A method with the constants it uses and how they were found: `tip-adapter, alpha 1.2, beta 9 (tuned by folds)`. */
export function methodText(data: Constants): string {
  const constants = constantsText(data);
  return constants === '' ? data.method : `${data.method}, ${constants}`;
}

/**
 * A method's constants, and where they are from: `shrinkage 1 (tuned by folds), alpha 3 (given), epochs 20 (default)`; for a stack its
 * parts: `anchored 62% + gda 38% (tuned by folds)`.
 */
export function constantsText({ method, options, tuning }: Constants): string {
  const chosen = protocolText(tuning.protocol);
  if (method === 'stack') {
    const parts = Object.entries(options.parts as Record<string, { share: number }>);
    return `${parts.map(([id, { share }]) => `${id} ${Math.round(100 * share)}%`).join(' + ')} (${chosen})`;
  }
  const { tuned = [], given } = tuning;
  const from = (name: string): string => {
    // A file of before does not tell one from the other.
    if (given === undefined || tuned.includes(name)) return chosen;
    return given.includes(name) ? 'given' : 'default';
  };
  const numbers = Object.entries(options).flatMap(([name, value]) =>
    typeof value === 'number' ? [{ from: from(name), text: `${name} ${Number(value.toPrecision(3))}` }] : [],
  );
  return [...groupBy(numbers, (number) => number.from)]
    .map(([origin, own]) => `${own.map(({ text }) => text).join(', ')} (${origin})`)
    .join(', ');
}

/**
 * How well the method did on left-out examples, beside Tip-Adapter and zero-shot, and of how many classes these were: undefined
 * where nothing was compared.
 */
export function comparedText(data: ClassifierData): string | undefined {
  const { classes, tuning } = data;
  const { compared = [], judges, protocol } = tuning;
  const [own, ...others] = compared;
  const rivals = ['tip-adapter', 'zero-shot'].flatMap((id) => others.filter(({ method }) => method === id));
  if (!own || rivals.length === 0) return undefined;
  const told = rivals.map(
    ({ method, accuracy, nll }) =>
      `${method} ${percent(accuracy)} (${percent(own.accuracy - accuracy)} less, NLL ${nll.toFixed(3)})`,
  );
  const judged = classes.length - unjudgedClasses(data).length;
  const some = judged < classes.length ? ` of ${judged} of ${count(classes.length, 'class', 'classes')}` : '';
  const rows =
    protocol === 'folds'
      ? `${count(judges, 'left-out example')}${some}`
      : `${count(judges, 'row')} of the validation split`;
  return `Accuracy on ${rows}: ${percent(own.accuracy)} (NLL ${own.nll.toFixed(3)}); ${told.join(', ')}`;
}

/** How constants were chosen; who tuned on the test split says so wherever a number of theirs stands. */
export function protocolText(protocol: string): string {
  if (protocol === 'fixed') return 'not tuned';
  return protocol === 'paper'
    ? 'tuned on the test split as in the paper, optimistic'
    : `tuned by ${protocol}`;
}
