import { UsageError } from '../../errors.ts';
import { suggestion } from '../../nearest.ts';
import { defineCommand, jsonOption, type Program } from '../command.ts';
import { printJson } from '../print.ts';

export const helpCommand = defineCommand({
  args: ['[command...]'],
  options: { json: jsonOption },
  examples: [
    ['tip-adapter help', 'Lists the commands.'],
    ['tip-adapter help encoders pull', 'The same as tip-adapter encoders pull --help.'],
    ['tip-adapter help fit --json', 'Prints the arguments and options of a command as JSON.'],
  ],
  async run(args, { json }, io, program) {
    if (json) printJson(io, { commands: await described(args.join(' '), program) });
    else await program.run([...args, '--help'], io);
  },
});

/** The command of a name, or all commands that begin with a word. For an empty text, all commands. */
async function described(wanted: string, { commands }: Program) {
  const { listedOptions, tabledCommands } = await import('../tables.ts');
  const { flagsText } = await import('../help-text.ts');
  const chosen = commands.filter(
    ({ name }) => wanted === '' || name === wanted || name.startsWith(`${wanted} `),
  );
  if (chosen.length === 0) {
    throw new UsageError(`Unknown command '${wanted}'`, {
      code: 'usage',
      hint: `${suggestion(
        wanted,
        commands.map(({ name }) => name),
      )}Add --help to list commands and options.`,
    });
  }
  return (await tabledCommands(chosen)).map((tabled) => ({
    name: tabled.name,
    summary: tabled.summary,
    args: tabled.command.args,
    options: Object.entries(listedOptions(tabled)).map(([name, option]) => {
      const { help, choices, default: preset } = option;
      return { name, flags: flagsText(name, option), help, default: preset, choices };
    }),
    examples: tabled.command.examples.map(([command, does]) => ({ command, does })),
  }));
}
