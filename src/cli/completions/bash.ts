import type { CompletedCommand, CompletionModel, Place } from './model.ts';

/** The completions for bash 3.2 and later. Where the function has no completions, bash completes paths. */
export function bashCompletions({ commands, groups, flags }: CompletionModel): string {
  const names = (of: readonly { flag: string }[]) => of.map(({ flag }) => flag).join(' ');
  const first = [...new Set(commands.map(({ name }) => name.split(' ')[0]))];
  return `# Completions of tip-adapter for bash. For every new shell, add this line to ~/.bashrc:
#   source <(tip-adapter completions bash)
_tip_adapter_words() { COMPREPLY=($(compgen -W "$1" -- "$current")); }
_tip_adapter_list() {
  local before=
  [[ $current == *,* ]] && before=\${current%,*},
  compopt -o nospace 2>/dev/null
  COMPREPLY=($(compgen -P "$before" -W "$1" -- "\${current##*,}"))
}
_tip_adapter_folders() {
  compopt -o filenames 2>/dev/null
  local IFS=$'\\n'
  COMPREPLY=($(compgen -d -- "$current"))
}
_tip_adapter_nothing() { compopt +o default +o bashdefault 2>/dev/null; }

_tip_adapter() {
  COMPREPLY=()
  local current=\${COMP_WORDS[COMP_CWORD]} option=\${COMP_WORDS[COMP_CWORD - 1]} command=\${COMP_WORDS[1]}
  if [[ $option == = ]]; then option=\${COMP_WORDS[COMP_CWORD - 2]}; fi
  if [[ $current == = ]]; then current=; fi
  if ((COMP_CWORD == 1)); then
    _tip_adapter_words '${first.join(' ')} ${names(flags)}'
    return
  fi
  case $command in
${groups.map((group) => groupCase(group.name, commands)).join('\n')}
  esac
  case "$command $option" in
${commands.flatMap(valueCases).join('\n')}
  esac
  if [[ $current == -* ]]; then
    case $command in
${commands.map((command) => `      '${command.name}') _tip_adapter_words '${names(command.flags)}' ;;`).join('\n')}
    esac
    _tip_adapter_nothing
    return
  fi
  case $command in
${commands.flatMap(argumentCases).join('\n')}
  esac
}
complete -o bashdefault -o default -F _tip_adapter tip-adapter
`;
}

function groupCase(group: string, commands: readonly CompletedCommand[]): string {
  const second = commands
    .map(({ name }) => name.split(' '))
    .filter(([first, word]) => first === group && word);
  return `    ${group})
      if ((COMP_CWORD == 2)); then
        _tip_adapter_words '${second.map(([, word]) => word).join(' ')}'
        return
      fi
      command="$command \${COMP_WORDS[2]}"
      ;;`;
}

/** Options with a value. Options of one kind share a line. */
function valueCases({ name, flags }: CompletedCommand): string[] {
  const places = new Map<string, string[]>();
  for (const { flag, short, value } of flags) {
    if (!value) continue;
    const patterns = [flag, ...(short ? [short] : [])].map((word) => `'${name} ${word}'`);
    places.set(answer(value), [...(places.get(answer(value)) ?? []), ...patterns]);
  }
  return [...places].map(([does, patterns]) => `    ${patterns.join(' | ')})${does} return ;;`);
}

function argumentCases({ name, places }: CompletedCommand): string[] {
  if (places.length === 0) return [`    '${name}') _tip_adapter_nothing ;;`];
  const known = places.flatMap((place) => (place.kind === 'words' ? place.words : []));
  if (known.length > 0) return [`    '${name}') _tip_adapter_words '${known.join(' ')}' ;;`];
  return places.every(({ kind }) => kind === 'folders') ? [`    '${name}') _tip_adapter_folders ;;`] : [];
}

/** bash completes paths itself. */
function answer(place: Place): string {
  switch (place.kind) {
    case 'words':
      return ` _tip_adapter_${place.list ? 'list' : 'words'} '${place.words.join(' ')}';`;
    case 'folders':
      return ' _tip_adapter_folders;';
    case 'files':
      return '';
    case 'text':
      return ' _tip_adapter_nothing;';
  }
}
