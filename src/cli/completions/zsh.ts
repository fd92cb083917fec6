import type { CompletedCommand, CompletedFlag, CompletionModel, Place } from './model.ts';

/** The completions for zsh 5: as a file \`_tip-adapter\` of $fpath, or sourced. */
export function zshCompletions({ commands, groups, flags }: CompletionModel): string {
  const single = commands.filter(({ name }) => !name.includes(' '));
  return `#compdef tip-adapter
# Completions of tip-adapter for zsh. For every new shell, add this line to ~/.zshrc, below compinit:
#   source <(tip-adapter completions zsh)
_tip_adapter() {
  local -a commands
  if ((CURRENT == 2)) && [[ $words[2] != -* ]]; then
    commands=(
${described([...single, ...groups])}
    )
    _describe command commands
    return
  fi
  if ((CURRENT == 2)); then
    _arguments ${flags.map((flag) => specs(flag).join(' ')).join(' ')}
    return
  fi
  local command=$words[2]
  shift words
  ((CURRENT--))
  case $command in
${groups.map(({ name }) => groupCase(name, commands)).join('\n')}
  esac
  case $command in
${commands.map(commandCase).join('\n')}
  esac
}
if [[ $funcstack[1] == _tip-adapter ]]; then _tip_adapter "$@"; else compdef _tip_adapter tip-adapter; fi
`;
}

function described(entries: readonly { name: string; about: string }[]): string {
  return entries.map(({ name, about }) => `      ${quoted(`${name}:${about}`)}`).join('\n');
}

function groupCase(group: string, commands: readonly CompletedCommand[]): string {
  const members = commands
    .filter(({ name }) => name.startsWith(`${group} `))
    .map(({ name, about }) => ({ name: name.slice(group.length + 1), about }));
  return `    ${group})
      if ((CURRENT == 2)); then
        commands=(
${described(members)}
        )
        _describe command commands
        return
      fi
      command="$command $words[2]"
      shift words
      ((CURRENT--))
      ;;`;
}

function commandCase({ name, flags, places }: CompletedCommand): string {
  const known = places.flatMap((place) => (place.kind === 'words' ? place.words : []));
  const place: Place | undefined =
    known.length > 0 ? { kind: 'words', words: known, list: false } : places[0];
  const rest = place ? [quoted(`*:${place.kind === 'words' ? 'name' : 'path'}:${action(place)}`)] : [];
  const lines = [...flags.flatMap(specs), ...rest].join(' \\\n        ');
  return `    '${name}')
      _arguments -s \\
        ${lines}
      ;;`;
}

/** The forms of an option. They exclude each other unless the option can be repeated. */
function specs({ flag, short, about, value, repeatable }: CompletedFlag): string[] {
  const forms = short ? [short, flag] : [flag];
  const taken = value ? `:value:${action(value)}` : '';
  const note = `[${about.replace(/[[\]\\:]/g, '\\$&')}]`;
  const before = repeatable ? '*' : `(${forms.join(' ')})`;
  return forms.map((form) =>
    quoted(`${before}${form}${value && form.startsWith('--') ? '=' : ''}${note}${taken}`),
  );
}

function action(place: Place): string {
  switch (place.kind) {
    case 'words':
      return place.list ? `_values -s , name ${place.words.join(' ')}` : `(${place.words.join(' ')})`;
    case 'folders':
      return '_files -/';
    case 'files':
      return '_files';
    case 'text':
      return ' ';
  }
}

const quoted = (text: string) => `'${text.replaceAll("'", "'\\''")}'`;
