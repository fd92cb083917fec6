import { flagName } from '../deprecation.ts';
import type { Option } from '../options.ts';

/** How an option is typed: `-o, --output <file>`; one that is on by default is typed to turn it off. */
export function flagsText(name: string, { short, value: named, choices, ...option }: Option): string {
  const value = choices ? '<name>' : named;
  return `${short ? `-${short}, ` : ''}--${isOn(option) ? 'no-' : ''}${flagName(name)}${value ? ` ${value}` : ''}`;
}

/** Whether a flag is on where it is not given. */
export const isOn = ({ isOn: set, default: preset }: Pick<Option, 'isOn' | 'default'>) =>
  set ?? preset === true;

/** What the flag does that turns off what is on. */
export const negated = (help: string): string =>
  `Do not ${help.replace(/^./, (letter) => letter.toLowerCase())}`;

/** What an option does, and what it is without being given. */
export function helpText({ help, choices, ...option }: Option): string {
  const { default: preset } = option;
  if (isOn(option)) return negated(help);
  const facts = [
    ...(choices ? [`one of ${choices.join(', ')}`] : []),
    ...(preset === undefined || preset === false || String(preset) === '' ? [] : [`default: ${preset}`]),
  ];
  return facts.length > 0 ? `${help.replace(/\.$/, '')} (${facts.join('; ')}).` : help;
}
