import { spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { commands } from '../commands/index.ts';
import { recordingIo } from '../io.fixture.ts';
import { runCli } from '../program.ts';
import { SHELLS, type Shell } from './shells.ts';

const isHere = (shell: string) => spawnSync(shell, ['-c', 'true']).status === 0;

let work: string;
beforeAll(() => {
  work = mkdtempSync(join(tmpdir(), 'tip-adapter-completions-'));
  mkdirSync(join(work, 'photos'));
  for (const name of ['pets.safetensors', 'plain.txt']) writeFileSync(join(work, name), '');
});
afterAll(() => rmSync(work, { recursive: true, force: true }));

async function script(shell: Shell): Promise<string> {
  const io = recordingIo();
  expect(await runCli(['completions', shell], io), io.err()).toBe(0);
  return io.out();
}

/** For each shell: a script that prints the completions of the line in $LINE, in a folder with the completion script. */
const ASKS: Readonly<Record<Exclude<Shell, 'powershell'>, readonly string[]>> = {
  // If the function returns nothing, the shell completes paths, unless that is turned off.
  bash: [
    '--norc',
    '-c',
    `compopt() { [[ $1 != +o ]] || plain=; }
source ./script; plain=yes
read -ra COMP_WORDS <<< "$LINE"; [[ $LINE != *' ' ]] || COMP_WORDS+=('')
COMP_CWORD=$(( \${#COMP_WORDS[@]} - 1 ))
_tip_adapter
if ((\${#COMPREPLY[@]} == 0)) && [[ $plain ]]; then COMPREPLY=($(compgen -f -- "\${COMP_WORDS[COMP_CWORD]}")); fi
printf '%s\\n' "\${COMPREPLY[@]}"`,
  ],
  // An interactive shell in a pseudo-terminal prints each completion when it is added. Until it reads keys, the terminal would act on
  // Ctrl-U itself and remove the line, so that function of the terminal is switched off.
  zsh: [
    '-f',
    '-c',
    `zmodload zsh/zpty
zpty z zsh -f -i
zpty -w z 'stty kill undef; PROMPT=; autoload -Uz compinit; compinit -u -D; source ./script; bindkey "^I" complete-word
compadd() {
  if [[ \${@[1,(i)(-|--)]} != *-(O|A|D)\\ * ]]; then
    local -a found; builtin compadd -A found "$@"
    for word in $found; do print -r -- "<$word>"; done
  fi
  builtin compadd "$@"
}
print READ''Y'
zpty -r -m z text '*READY*'
zpty -w -n z "$LINE"$'\\t'; zpty -w -n z $'\\C-u'; zpty -w z 'print DON''E'
zpty -r -m z text '*DONE*'
print -r -- "$text" | grep -o '<[^<>]*>' | tr -d '<>' | sort -u
zpty -d z`,
  ],
  fish: ['--no-config', '-c', `source ./script; complete -C "$LINE" | string replace -r '\\t.*' ''`],
};

/** A line, expected completions of its last word, and words that must not be among them. */
const CASES: readonly (readonly [line: string, offered: readonly string[], others?: readonly string[]])[] = [
  ['tip-adapter ', ['fit', 'predict', 'encoders', 'data', 'help'], ['list', 'photos']],
  ['tip-adapter encoders ', ['list', 'pull', 'show', 'remove', 'bundle'], ['fit']],
  ['tip-adapter data c', ['check']],
  ['tip-adapter fit --me', ['--method']],
  ['tip-adapter fit photos --no-', ['--no-exif', '--no-thumbnails'], ['--no-open']],
  ['tip-adapter remove pets.safetensors --', ['--class', '--example', '--quiet'], ['--split']],
  ['tip-adapter encoders remove --', ['--quiet', '--help'], ['--class']],
  ['tip-adapter export pets.safetensors --to ', ['onnx', 'web', 'report'], ['photos']],
  ['tip-adapter fit photos --method tip-', ['tip-adapter', 'tip-adapter-f'], ['gda']],
  ['tip-adapter fit photos --encoder ', ['auto', 'clip-vit-b32', 'resnet50-minilm'], ['gda']],
  ['tip-adapter encoders show clip-vit-b32', ['clip-vit-b32', 'clip-vit-b32-int8'], ['clip-rn50']],
  ['tip-adapter fit --seed ', [], ['photos', 'plain.txt']],
  ['tip-adapter predict p', ['pets.safetensors', 'photos']],
  ['tip-adapter fit photos -o p', ['pets.safetensors', 'photos']],
  ['tip-adapter data check p', ['photos'], ['plain.txt']],
  ['tip-adapter bench photos -o p', ['photos'], ['plain.txt']],
  ['tip-adapter help enc', ['encoders'], ['photos']],
  ['tip-adapter completions ', [...SHELLS], ['photos']],
];

describe.each(Object.entries(ASKS))('completions in %s', (shell, ask) => {
  // On a busy machine, zsh sometimes loses a key in the pseudo-terminal.
  const complete = (line: string) => {
    let found = asked(line);
    for (let again = 0; shell === 'zsh' && found.length === 0 && again < 2; again++) found = asked(line);
    return found;
  };
  const asked = (line: string) => {
    const { stdout, stderr, status } = spawnSync(shell, ask, {
      cwd: work,
      encoding: 'utf8',
      env: { ...process.env, LINE: line, TERM: 'xterm' },
      timeout: 30_000,
    });
    expect([stderr, status], line).toEqual(['', expect.toSatisfy((code) => code === 0 || code === 1)]);
    return stdout
      .split('\n')
      .map((word) => word.trim().replace(/\/$/, ''))
      .filter((word) => word !== '');
  };

  it.skipIf(!isHere(shell))(
    `complete commands, options, values and paths (needs ${shell})`,
    async () => {
      writeFileSync(join(work, 'script'), await script(shell as Shell));
      for (const [line, offered, others = []] of CASES) {
        const found = complete(line);
        expect(found, line).toEqual(expect.arrayContaining([...offered]));
        for (const other of others) expect(found, line).not.toContain(other);
      }
      // The part after the last comma; zsh adds the part before it by itself.
      const ids = complete('tip-adapter bench photos --methods auto,tip-x').map((id) =>
        id.replace(/^auto,/, ''),
      );
      expect(ids).toEqual(['tip-x']);
    },
    120_000,
  );
});

describe('completions', () => {
  it('for PowerShell have every command and option once, and balanced brackets', async () => {
    const text = await script('powershell');
    for (const { name } of commands) expect(text).toContain(`    '${name}' = @(`);
    expect(text).toContain("@{ word = '--method'; about = ");
    expect(text).toMatch(/'fit --tune' = 'folds val fixed paper'/);
    const bare = text.replace(/#.*$/gm, '').replace(/'(?:[^']|'')*'/g, '');
    for (const [open, close] of ['()', '{}', '[]']) {
      expect(bare.split(open!).length).toBe(bare.split(close!).length);
    }
    expect(bare).not.toMatch(/'/);
    // PowerShell compares keys of a table without case, and a repeated key is an error.
    const keys = [...text.matchAll(/^ {4}('.*?') = /gm)].map(([, key]) => key!.toLowerCase());
    const values = text.slice(text.indexOf('$values')).match(/^ {4}'.*?' = /gm) ?? [];
    expect(new Set(keys).size).toBe(keys.length);
    expect(values.length).toBeGreaterThan(50);
  });

  it('refuse other shells with the nearest name', async () => {
    const io = recordingIo();
    expect(await runCli(['completions', 'fishh'], io)).toBe(2);
    expect(io.err()).toMatch(/^error: There are no completions for fishh\nhint: Did you mean "fish"\?/);
  });
});
