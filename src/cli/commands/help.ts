import { defineCommand } from '../command.ts';

export const helpCommand = defineCommand({
  args: ['[command...]'],
  options: {},
  examples: [
    ['tip-adapter help', 'Lists the commands.'],
    ['tip-adapter help encoders pull', 'The same as tip-adapter encoders pull --help.'],
  ],
  run: (args, _, io, program) => program.run([...args, '--help'], io),
});
