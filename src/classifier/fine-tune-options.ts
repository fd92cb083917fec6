import { encoderOption } from '../encoder/encoder-option.ts';
import { choice, integer, optional, positive, real, text, type ValuesOf } from '../options.ts';
import { fitOptions } from './fit-options.ts';

/** The options of `fineTune`: one table for the library's checks, the command line, its help and the reference page. */
export const fineTuneOptions = {
  encoder: {
    ...encoderOption,
    help: 'The encoder to start from, a CLIP from weights: a name, hf:owner/repo, a folder, or auto for one on this machine.',
  },
  shots: fitOptions.shots,
  seed: integer({
    default: 1,
    help: 'Seed of the draw of examples, of the batches, the crops and the start.',
  }),
  towers: choice(['both', 'image', 'text'], { default: 'both', help: 'Which towers are changed.' }),
  rank: integer({ default: 2, min: 1, max: 64, help: 'Rank of the change of each matrix.' }),
  alpha: positive({ default: 1, help: 'Size of the changes, which are multiplied by alpha / sqrt(rank).' }),
  dropout: real({
    default: 0.25,
    min: 0,
    max: 0.9,
    help: "Probability that a number of a change's input is left out in a step.",
  }),
  steps: optional(
    integer({
      min: 1,
      help: 'Number of steps (default: 500 times the examples of the largest class, of which at most 16 count).',
    }),
  ),
  batch: integer({ default: 32, min: 1, help: 'Pictures per step.' }),
  rate: positive({ default: 2e-4, help: 'Learning rate, which falls to 1e-6 along a cosine.' }),
  template: optional(
    text({
      value: '<prompt>',
      help: "The prompt with {} for the class name, which becomes the encoder's own (default: that of the encoder).",
    }),
  ),
  classes: fitOptions.classes,
  exif: fitOptions.exif,
} as const;

/** The checked values of `fineTuneOptions`. */
export type FineTuneOptionValues = ValuesOf<typeof fineTuneOptions>;
