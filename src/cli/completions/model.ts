import { flagName } from '../../deprecation.ts';
import { REGISTRY } from '../../encoder/registry.ts';
import { listMethods } from '../../methods/index.ts';
import type { Option } from '../../options.ts';
import type { Program } from '../command.ts';
import { isOn, negated } from '../help-text.ts';
import { listedOptions, type TabledCommand, tabledCommands } from '../tables.ts';
import { SHELLS } from './shells.ts';

/** The possible completions at a place of the command line: known words, paths, or none (a free text). */
export type Place =
  | { readonly kind: 'words'; readonly words: readonly string[]; readonly list: boolean }
  | { readonly kind: 'files' | 'folders' | 'text' };

export interface CompletedFlag {
  /** As typed: `--output`. */
  readonly flag: string;
  /** `-o` */
  readonly short?: string;
  readonly about: string;
  /** Absent for flags without a value. */
  readonly value?: Place;
  readonly repeatable: boolean;
}

/** A command, or a group of commands, for completions. */
export interface CompletedCommand {
  /** As typed: `fit`, `encoders pull`. */
  readonly name: string;
  readonly about: string;
  readonly flags: readonly CompletedFlag[];
  /** The possible arguments. They have no positions, because options may stand between them. */
  readonly places: readonly Place[];
}

/** All that a shell can complete. */
export interface CompletionModel {
  readonly commands: readonly CompletedCommand[];
  /** First words of several commands: `encoders`. */
  readonly groups: readonly { readonly name: string; readonly about: string }[];
  /** Options without a command. */
  readonly flags: readonly CompletedFlag[];
}

/** The model of a program, from the same tables as help. */
export async function completionModel({ commands, groups }: Program): Promise<CompletionModel> {
  const first = [...new Set(commands.map(({ name }) => name.split(' ')[0]!))];
  return {
    commands: (await tabledCommands(commands)).map((tabled) => completed(tabled, first)),
    groups: Object.entries(groups).map(([name, about]) => ({ name, about: headline(about) })),
    flags: [HELP, { flag: '--version', about: 'Print the version', repeatable: false }],
  };
}

const HELP: CompletedFlag = { flag: '--help', short: '-h', about: 'Print this help', repeatable: false };

function completed(tabled: TabledCommand, commands: readonly string[]): CompletedCommand {
  const { name, summary, command } = tabled;
  return {
    name,
    about: headline(summary),
    flags: [...Object.entries(listedOptions(tabled)).map(([option, facts]) => flagOf(option, facts)), HELP],
    places: command.args.map((arg) => placeOfArgument(arg.replace(/^[[<]|(\.\.\.)?[\]>]$/g, ''), commands)),
  };
}

function flagOf(name: string, option: Option): CompletedFlag {
  const off = isOn(option);
  const { short, help, repeatable = false } = option;
  return {
    flag: `--${off ? 'no-' : ''}${flagName(name)}`,
    short: short && `-${short}`,
    about: headline(off ? negated(help) : help),
    value: option.value ? placeOfValue(option) : undefined,
    repeatable,
  };
}

function placeOfValue({ choices, names, value }: Option): Place {
  if (choices) return words(choices);
  if (names) return words(['auto', ...IDS[names]()], value === '<list>');
  if (value === '<folder>') return { kind: 'folders' };
  return { kind: value && FILES.includes(value) ? 'files' : 'text' };
}

const FILES = ['<file>', '<zip>', '<module>'];

const IDS = {
  encoders: () => REGISTRY.map(({ id }) => id),
  methods: () => listMethods().map(({ id }) => id),
} as const;

/** The arguments that are not paths. */
function placeOfArgument(name: string, commands: readonly string[]): Place {
  switch (name) {
    case 'name':
      return words(IDS.encoders());
    case 'command':
      return words(commands);
    case 'shell':
      return words(SHELLS);
    default:
      return { kind: name === 'folder' ? 'folders' : 'files' };
  }
}

const words = (known: readonly string[], list = false): Place => ({
  kind: 'words',
  words: [...new Set(known)],
  list,
});

/** The first clause of a sentence, which fits beside a word. */
const headline = (sentence: string) =>
  sentence.split(/(?<=\s\S*):|[.;(]|, (?:and|which|drawn|such|or)\b/)[0]!.trim();
