import { commonOptions, optionsOf } from '../src/cli/command.ts';
import { commands } from '../src/cli/commands/index.ts';
import { checkValue, type Options, resolveOptions } from '../src/options.ts';

/** The error in a command line of `tip-adapter` according to the program's tables, or undefined. */
export async function commandFault(line: string): Promise<string | undefined> {
  const words = [...line.matchAll(/"([^"]*)"|'([^']*)'|(\S+)/g)].map(([, a, b, c]) => (a ?? b ?? c)!);
  const found = commands.find(({ name }) => `${line} `.startsWith(`${name} `));
  if (!found)
    return words[0] === '--help' || words[0] === '--version' ? undefined : 'there is no such command';
  // A user's own method has its own options.
  if (/ --methods? \S*\.mjs/.test(line)) return undefined;
  const command = await found.load();
  const options: Options = { ...commonOptions, ...optionsOf(command), ...(await command.more?.(words)) };
  const names = new Map<string, string>();
  for (const [name, { short }] of Object.entries(options)) {
    const flag = name.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`);
    for (const word of [`--${flag}`, `--no-${flag}`, `-${short}`]) names.set(word, name);
  }
  const given: Record<string, unknown> = {};
  const rest = words.slice(found.name.split(' ').length);
  const free: string[] = [];
  for (let i = 0; i < rest.length; i++) {
    const word = rest[i]!;
    if (word === '--help' || word === '-h') return undefined;
    if (!/^--?[a-z]/.test(word)) {
      free.push(word);
      continue;
    }
    const name = names.get(word);
    if (name === undefined) return `there is no option ${word}`;
    if (word.startsWith('--no-')) given[name] = false;
    else if (checkValue(options[name]!, true).success) given[name] = true;
    else if (options[name]!.repeatable) given[name] = [...((given[name] as string[]) ?? []), rest[++i]];
    else given[name] = rest[++i];
  }
  const needed = command.args.filter((arg) => arg.startsWith('<')).length;
  if (free.length < needed) return `${command.args.slice(free.length).join(' ')} is missing`;
  try {
    resolveOptions(options, given);
    return undefined;
  } catch (error) {
    return (error as Error).message;
  }
}
