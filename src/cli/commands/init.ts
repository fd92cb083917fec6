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
        help: 'Purpose of the classifier: classify pictures here (try), answer other programs over HTTP (serve), or classify in a web page (page).',
      }),
    ),
    output: optional(
      text({ short: 'o', value: '<file>', help: 'The file of the classifier (.safetensors).' }),
    ),
    yes: flag({
      short: 'y',
      help: 'Ask no questions: use the defaults of options that are not given, and run the commands.',
    }),
    json: flag({
      help: 'Ask no questions: print the commands as JSON without running them, and errors as JSON on stderr.',
    }),
  },
  examples: [
    ['tip-adapter init', 'Asks four questions, shows the commands, and runs them if you agree.'],
    ['tip-adapter init photos/ --use page --yes', 'Makes a classifier and a page from it without questions.'],
  ],
  async run([data], { yes, json, ...given }, io, program) {
    const { firstSteps } = await import('../first-steps.ts');
    await firstSteps({ data, ...given }, { yes, json }, io, program);
  },
});
