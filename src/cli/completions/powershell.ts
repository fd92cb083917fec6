import type { CompletedCommand, CompletedFlag, CompletionModel, Place } from './model.ts';

/** The completions for PowerShell 5.1 and later. Where the block has no completions, PowerShell completes paths. */
export function powershellCompletions({ commands, groups, flags }: CompletionModel): string {
  const single = commands.filter(({ name }) => !name.includes(' '));
  const first = [...single, ...groups, ...flags.map(({ flag, about }) => ({ name: flag, about }))];
  return `# Completions of tip-adapter for PowerShell. For every new shell, add this line to $PROFILE:
#   tip-adapter completions powershell | Out-String | Invoke-Expression
Register-ArgumentCompleter -Native -CommandName tip-adapter -ScriptBlock {
  param($current, $line, $position)
  $commands = [ordered]@{
    ${quoted('')} = ${words(first)}
${groups.map(({ name }) => `    ${quoted(name)} = ${words(members(name, commands))}`).join('\n')}
${commands.map(commandEntry).join('\n')}
  }
  $values = @{
${commands.flatMap(valueEntries).join('\n')}
  }
  $typed = @($line.CommandElements | Where-Object { $_.Extent.EndOffset -lt $position } | ForEach-Object { "$_" })
  $command = ''
  foreach ($count in 2, 1) {
    $name = ($typed | Select-Object -Skip 1 -First $count) -join ' '
    if ($name -and $commands.Contains($name)) { $command = $name; break }
  }
  $found = $commands[$command]
  $option = "$command $($typed[-1])"
  if ($values.ContainsKey($option)) { $found = $values[$option] }
  $before = ''
  if ($found -is [string]) {
    $found = ($found -split ' ' | ForEach-Object { @{ word = $_; about = $_ } })
    if ($current -match '^(.*,)[^,]*$') { $before = $Matches[1] }
  }
  foreach ($entry in $found) {
    $word = $before + $entry.word
    if ($word.StartsWith($current)) {
      [System.Management.Automation.CompletionResult]::new($word, $word, 'ParameterValue', $entry.about)
    }
  }
}
`;
}

interface Described {
  readonly name: string;
  readonly about: string;
}

const members = (group: string, commands: readonly CompletedCommand[]): Described[] =>
  commands
    .filter(({ name }) => name.startsWith(`${group} `))
    .map(({ name, about }) => ({ name: name.slice(group.length + 1), about }));

function words(entries: readonly Described[]): string {
  const lines = entries.map(({ name, about }) => `@{ word = ${quoted(name)}; about = ${quoted(about)} }`);
  return `@(\n      ${lines.join('\n      ')}\n    )`;
}

function commandEntry({ name, flags, places }: CompletedCommand): string {
  const known = places.flatMap((place) => (place.kind === 'words' ? place.words : []));
  return `    ${quoted(name)} = ${words([
    ...known.map((word) => ({ name: word, about: word })),
    ...flags.map(({ flag, about }) => ({ name: flag, about })),
  ])}`;
}

/** Lists are texts, so that the part after the last comma is completed. Paths have an empty entry. */
function valueEntries({ name, flags }: CompletedCommand): string[] {
  return flags.flatMap(({ flag, short, value }: CompletedFlag) =>
    value
      ? [flag, ...(short ? [short] : [])].map(
          (form) => `    ${quoted(`${name} ${form}`)} = ${valueText(value)}`,
        )
      : [],
  );
}

const valueText = (place: Place) => (place.kind === 'words' ? quoted(place.words.join(' ')) : '@()');

const quoted = (text: string) => `'${text.replaceAll("'", "''")}'`;
