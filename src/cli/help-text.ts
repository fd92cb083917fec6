import { flagName } from '../deprecation.ts';
import type { Option } from '../options.ts';

/** An option's flags: `-o, --output <file>`. A flag that is on by default is shown in its negative form. */
export function flagsText(name: string, { short, value: named, choices, ...option }: Option): string {
  const value = choices ? '<name>' : named;
  return `${short ? `-${short}, ` : ''}--${isOn(option) ? 'no-' : ''}${flagName(name)}${value ? ` ${value}` : ''}`;
}

/** Whether a flag is on by default. */
export const isOn = ({ isOn: set, default: preset }: Pick<Option, 'isOn' | 'default'>) =>
  set ?? preset === true;

/** The help of the negative form of a flag. */
export const negated = (help: string): string =>
  `Do not ${help.replace(/^./, (letter) => letter.toLowerCase())}`;

/** An option's help with its choices and its default. */
export function helpText({ help, choices, ...option }: Option): string {
  const { default: preset } = option;
  if (isOn(option)) return negated(help);
  const facts = [
    ...(choices ? [`one of ${choices.join(', ')}`] : []),
    ...(preset === undefined || preset === false || String(preset) === '' ? [] : [`default: ${preset}`]),
  ];
  return facts.length > 0 ? `${help.replace(/\.$/, '')} (${facts.join('; ')}).` : help;
}
