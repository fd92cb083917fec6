import type { CompletedCommand, CompletedFlag, CompletionModel, Place } from './model.ts';

/** The completions for fish 3. */
export function fishCompletions({ commands, groups, flags }: CompletionModel): string {
  const single = commands.filter(({ name }) => !name.includes(' '));
  return `# Completions of tip-adapter for fish. For every new shell:
#   tip-adapter completions fish > ~/.config/fish/completions/tip-adapter.fish
function __tip_adapter_words
    set -l words (commandline -opc)
    set -e words[1]
    echo "$words "
end
function __tip_adapter_in
    test "$argv " = (__tip_adapter_words)
end
function __tip_adapter_after
    string match -q -- "$argv *" (__tip_adapter_words)
end

complete -c tip-adapter -f
${[
  ...[...single, ...groups].map((entry) => word('__tip_adapter_in', entry)),
  ...flags.map((flag) => option('__tip_adapter_in', flag)),
  ...groups.flatMap((group) => members(group.name, commands)),
  ...commands.flatMap(ofCommand),
].join('\n')}
`;
}

const word = (condition: string, { name, about }: { name: string; about: string }) =>
  `complete -c tip-adapter -n ${quoted(condition)} -a ${quoted(name)} -d ${quoted(about)}`;

function members(group: string, commands: readonly CompletedCommand[]): string[] {
  return commands
    .filter(({ name }) => name.startsWith(`${group} `))
    .map(({ name, about }) =>
      word(`__tip_adapter_in ${group}`, { name: name.slice(group.length + 1), about }),
    );
}

function ofCommand({ name, flags, places }: CompletedCommand): string[] {
  const condition = `__tip_adapter_after ${name}`;
  const taken = places.map((place) => `complete -c tip-adapter -n ${quoted(condition)} ${argument(place)}`);
  return [...flags.map((flag) => option(condition, flag)), ...new Set(taken)];
}

function option(condition: string, { flag, short, about, value }: CompletedFlag): string {
  const forms = `-l ${flag.slice(2)}${short ? ` -s ${short.slice(1)}` : ''}`;
  return `complete -c tip-adapter -n ${quoted(condition)} ${forms}${value ? ` -r ${argument(value)}` : ''} -d ${quoted(about)}`;
}

function argument(place: Place): string {
  switch (place.kind) {
    case 'words':
      return place.list
        ? `-f -a '(__fish_append , ${place.words.join(' ')})'`
        : `-f -a ${quoted(place.words.join(' '))}`;
    case 'folders':
      return "-f -a '(__fish_complete_directories)'";
    case 'files':
      return '-F';
    case 'text':
      return '-f';
  }
}

const quoted = (text: string) => `'${text.replaceAll('\\', '\\\\').replaceAll("'", "\\'")}'`;
