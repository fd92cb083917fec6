import type { Finding } from '../dataset/types.ts';
import { flagName } from '../deprecation.ts';
import type { Option } from '../options.ts';
import { number } from '../words.ts';
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
  return `${short ? `-${short}, ` : ''}--${isOn(option) ? 'no-' : ''}${flagName(name)}${value ? ` ${value}` : ''}`;
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
