import { UsageError } from '../../errors.ts';
import { suggestion } from '../../nearest.ts';
import { defineCommand, jsonOption } from '../command.ts';
import { SHELLS, type Shell } from '../completions/shells.ts';
import { printJson } from '../print.ts';

export const completionsCommand = defineCommand({
  args: ['<shell>'],
  options: { json: jsonOption },
  examples: [
    ['source <(tip-adapter completions bash)', 'For bash: this line in ~/.bashrc.'],
    ['source <(tip-adapter completions zsh)', 'For zsh: this line in ~/.zshrc, below compinit.'],
    [
      'tip-adapter completions fish > ~/.config/fish/completions/tip-adapter.fish',
      'For fish: run this once, and again after an update.',
    ],
    [
      'tip-adapter completions powershell | Out-String | Invoke-Expression',
      'For PowerShell, in the profile.',
    ],
  ],
  check([given]) {
    shellNamed(given);
  },
  async run([given], { json }, io, program) {
    const { completionScript } = await import('../completions/index.ts');
    const shell = shellNamed(given);
    const script = await completionScript(shell, program);
    if (json) printJson(io, { shell, script });
    else io.data(script);
  },
});

function shellNamed(given: string): Shell {
  const shell = SHELLS.find((known) => known === given);
  if (shell) return shell;
  throw new UsageError(`There are no completions for ${given}`, {
    code: 'completions/shell',
    hint: `${suggestion(given, SHELLS)}There are completions for ${SHELLS.join(', ')}.`,
    details: { shell: given },
  });
}
