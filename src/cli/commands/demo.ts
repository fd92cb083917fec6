import { encoderOption, yesOption } from '../../encoder/encoder-option.ts';
import { flag, integer, text } from '../../options.ts';
import { defineCommand, jsonOption } from '../command.ts';
import { checkOutputFolder } from '../output-checks.ts';

export const demoCommand = defineCommand({
  args: ['[data]'],
  options: {
    output: text({
      short: 'o',
      default: 'tip-adapter-demo',
      value: '<folder>',
      help: 'The folder for the classifier and the report.',
    }),
    seed: integer({ default: 1, help: 'Seed of the draw of examples.' }),
    open: flag({ help: 'Open the report in a browser.' }),
    encoder: encoderOption,
    yes: yesOption,
    json: jsonOption,
  },
  computes: 'on-device',
  examples: [
    ['tip-adapter demo', 'Runs on sample pictures.'],
    ['tip-adapter demo my-photos/', 'Runs on your own pictures: a folder with a folder for each class.'],
  ],
  async check(_, { output, encoder }) {
    await checkOutputFolder(output);
    const { checkEncoderName } = await import('../../encoder/load.ts');
    await checkEncoderName(encoder);
  },
  async run([data], settings, io) {
    const { runDemo } = await import('../run-demo.ts');
    await runDemo(data, settings, io);
  },
});
