import { UsageError } from '../../errors.ts';
import { suggestion } from '../../nearest.ts';
import { defineCommand } from '../command.ts';
import { SHELLS, type Shell } from '../completions/shells.ts';

export const completionsCommand = defineCommand({
  args: ['<shell>'],
  options: {},
  examples: [
    ['source <(tip-adapter completions bash)', 'For bash: this line in ~/.bashrc.'],
    ['source <(tip-adapter completions zsh)', 'For zsh: this line in ~/.zshrc, below compinit.'],
    [
      'tip-adapter completions fish > ~/.config/fish/completions/tip-adapter.fish',
      'For fish: once, and again after an update.',
    ],
    [
      'tip-adapter completions powershell | Out-String | Invoke-Expression',
      'For PowerShell: this line in $PROFILE.',
    ],
  ],
  check([given]) {
    shellNamed(given);
  },
  async run([given], _, io, program) {
    const { completionScript } = await import('../completions/index.ts');
    io.data(await completionScript(shellNamed(given), program));
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
