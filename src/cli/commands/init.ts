import { encoderOption } from '../../encoder/encoder-option.ts';
import { choice, flag, optional, text } from '../../options.ts';
import { defineCommand } from '../command.ts';
import { USES } from '../first-steps.ts';

export const initCommand = defineCommand({
  args: ['[data]'],
  options: {
    encoder: optional({ ...encoderOption, default: undefined }),
    use: optional(
      choice(USES, {
        help: 'What the classifier is for: to try it here (try), to answer other programs over HTTP (serve), or as a page for a browser (page).',
      }),
    ),
    output: optional(
      text({ short: 'o', value: '<file>', help: 'The file of the classifier (.safetensors).' }),
    ),
    yes: flag({
      short: 'y',
      help: 'Ask nothing: take the defaults where nothing is given, and run the commands.',
    }),
    json: flag({ help: 'Ask nothing: print the commands as JSON and run none; errors are JSON on stderr.' }),
  },
  examples: [
    ['tip-adapter init', 'Asks, shows the commands that do it, and runs them if you agree.'],
    [
      'tip-adapter init photos/ --use page --yes',
      'Makes a classifier and a page from it without a question.',
    ],
  ],
  async run([data], { yes, json, ...given }, io, program) {
    const { firstSteps } = await import('../first-steps.ts');
    await firstSteps({ data, ...given }, { yes, json }, io, program);
  },
});
