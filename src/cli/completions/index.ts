import type { Program } from '../command.ts';
import { bashCompletions } from './bash.ts';
import { fishCompletions } from './fish.ts';
import { completionModel } from './model.ts';
import { powershellCompletions } from './powershell.ts';
import type { Shell } from './shells.ts';
import { zshCompletions } from './zsh.ts';

const SCRIPTS = {
  bash: bashCompletions,
  zsh: zshCompletions,
  fish: fishCompletions,
  powershell: powershellCompletions,
} as const;

/** The script that makes a shell complete this program's command lines. */
export async function completionScript(shell: Shell, program: Program): Promise<string> {
  return SCRIPTS[shell](await completionModel(program));
}
