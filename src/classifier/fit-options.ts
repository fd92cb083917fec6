import { GROUPINGS } from '../dataset/grouping.ts';
import { encoderOption } from '../encoder/encoder-option.ts';
import { methodIds } from '../methods/registry.ts';
import {
  choice,
  flag,
  integer,
  nameOf,
  optional,
  positive,
  real,
  realOr,
  text,
  texts,
  type ValuesOf,
} from '../options.ts';

/** The options of `fit`: one table for the library's checks, the command line, its help and the reference page. */
export const fitOptions = {
  encoder: encoderOption,
  method: nameOf(['auto', ...methodIds()], {
    default: 'auto',
    names: 'methods',
    help: 'The method, or a JavaScript module that exports one. auto chooses one, or a stack of several, by left-out examples. `fit --method <method> --help` lists the options of a method.',
  }),
  trainingFree: flag({ help: 'With auto: consider only methods that need no training.' }),
  shots: optional(
    integer({ min: 1, help: 'Use this many examples per class, drawn by the seed (default: all).' }),
  ),
  groupBy: optional(
    choice(GROUPINGS, {
      help: 'Which pictures stay together when examples are drawn and left out: those of one folder inside the class folder, of one day, of one name without the number at its end, or of one value of the column group.',
    }),
  ),
  seed: integer({ default: 1, help: 'Seed of the draw of examples and of the augmented views.' }),
  views: integer({
    default: 1,
    min: 1,
    max: 64,
    help: 'Number of views per example. 1 uses the picture itself, and 10 averages ten random crops, as in the paper.',
  }),
  tune: choice(['folds', 'val', 'fixed', 'paper'], {
    default: 'folds',
    help: 'Which pictures the method and its options are tuned on: the examples (folds), a validation split (val), none (fixed), or the test split as in the published code (paper), which is optimistic and reported as such. Probabilities are calibrated if examples can be left out.',
  }),
  alpha: optional(
    real({ min: 0, help: 'Weight of the examples relative to the class names. A given value is not tuned.' }),
  ),
  beta: optional(
    positive({
      max: 1000,
      help: "How fast an example's vote fades with distance. A given value is not tuned.",
    }),
  ),
  balance: flag({
    help: 'Answer as if all classes were equally frequent, although they have different numbers of examples. The size of the correction is chosen on left-out examples.',
  }),
  template: optional(
    texts({
      value: '<prompt>',
      help: 'A prompt with {} for the class name. Give several to average them.',
    }),
  ),
  prompts: optional(
    text({
      value: '<preset>',
      help: 'The prompts of a public data set, such as imagenet, caltech101, dtd or eurosat.',
    }),
  ),
  classes: optional(
    text({
      value: '<file>',
      help: 'A file with the names of the classes: CSV (id, name, prompt_name, prompts), JSON or text with a name on each line.',
    }),
  ),
  keys: choice(['half', 'int8'], {
    default: 'half',
    help: 'Precision of the stored features: half keeps 16 bits per number; int8 keeps 8 bits, and fit reports how much that changes answers.',
  }),
  summary: flag({
    help: 'Learn from sums over a folder of features, which is read in blocks and may be larger than the memory. The features are then not part of the classifier.',
  }),
  reject: realOr(['auto'], {
    default: 0,
    min: 0,
    max: 1,
    help: 'Answer "none of these" below this probability. auto takes the threshold that 95% of the right answers to left-out examples lie above.',
  }),
  exif: flag({ default: true, help: 'Rotate photos by their EXIF orientation.' }),
  thumbnails: flag({ default: true, help: 'Keep thumbnails of the examples in the classifier file.' }),
} as const;

/** The checked values of `fitOptions`. */
export type FitValues = ValuesOf<typeof fitOptions>;
