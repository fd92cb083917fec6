import { integer, text } from '../../options.ts';
import { defineCommand } from '../command.ts';

export const demoCommand = defineCommand({
  args: ['[data]'],
  options: {
    output: text({
      short: 'o',
      default: 'tip-adapter-demo',
      value: '<folder>',
      help: 'Where the classifier and the report are written.',
    }),
    seed: integer({ default: 1, help: 'Decides the draw of examples.' }),
    encoder: text({
      default: 'auto',
      value: '<name>',
      help: 'Encoder: a name, hf:owner/repo, a folder, or auto.',
    }),
  },
  computes: 'on-device',
  examples: [
    ['tip-adapter demo', 'On sample pictures.'],
    ['tip-adapter demo my-photos/', 'On your own: a folder with a folder for each class.'],
  ],
  async run([data], { output, seed, encoder }, io) {
    const { runDemo } = await import('../demo.ts');
    await runDemo(data, { output, seed, encoder }, io);
  },
});
