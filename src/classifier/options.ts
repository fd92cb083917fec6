import { methods } from '../methods/index.ts';
import {
  choice,
  flag,
  integer,
  type Option,
  type Options,
  optional,
  positive,
  real,
  text,
  texts,
} from '../options.ts';

/** Options of `fit`: written once, for the library's check, the command line, its help and the reference page. */
export const fitOptions = {
  encoder: text({
    default: 'auto',
    value: '<name>',
    help: 'Encoder: a name, hf:owner/repo, a folder, or auto.',
  }),
  method: choice(['auto', ...methods.map(({ id }) => id).filter((id) => id !== 'stack')], {
    default: 'auto',
    help: 'How examples and class names become an answer; auto picks or stacks by left-out examples.',
  }),
  trainingFree: flag({ help: 'With auto: closed forms only.' }),
  shots: optional(
    integer({ min: 1, help: 'Use this many examples per class, drawn by the seed (default: all).' }),
  ),
  seed: integer({ default: 1, help: 'Decides the draw of examples and the augmented views.' }),
  views: integer({
    default: 1,
    min: 1,
    max: 64,
    help: "Views per example: 1 is the picture as it is, 10 the paper's ten random crops, averaged.",
  }),
  tune: choice(['folds', 'val', 'fixed', 'paper'], {
    default: 'folds',
    help: 'How the method and its constants are chosen: on the examples themselves, on a validation split, not at all, or, as the published code does, on the test split (optimistic; results say so). Probabilities are calibrated where examples can be left out.',
  }),
  alpha: optional(
    real({ min: 0, help: 'Weight of the examples against the class names; held where it is given.' }),
  ),
  beta: optional(
    positive({ max: 1000, help: "How fast an example's vote fades with distance; held where it is given." }),
  ),
  template: optional(
    texts({
      value: '<prompt>',
      help: 'Prompt with {} for the class name; may be given several times (averaged).',
    }),
  ),
  prompts: optional(
    text({
      value: '<preset>',
      help: 'Prompt preset of a public data set: imagenet, caltech101, dtd, eurosat, …',
    }),
  ),
  classes: optional(
    text({ value: '<file>', help: 'classes.csv: shown name, prompt name and extra prompts per class.' }),
  ),
  keys: choice(['half', 'int8'], {
    default: 'half',
    help: "How the examples' features are kept: 16 bits a number, or 8, half as large; what that changes is measured.",
  }),
  reject: real({ default: 0, min: 0, max: 1, help: 'Answer "none of these" below this probability.' }),
  exif: flag({ default: true, help: 'Turn photos the way the camera says.' }),
  thumbnails: flag({ default: true, help: 'Keep tiny pictures of the examples in the classifier file.' }),
} as const;

/**
 * The methods' own options that `fit` does not have: each may be left out, and then is what its method says. One name is one
 * flag, whichever methods have it.
 */
export const methodOptions: Options = collectMethodOptions();

function collectMethodOptions(): Options {
  const found = new Map<string, { option: Option; defaults: string[] }>();
  for (const { id, options } of methods) {
    for (const [name, option] of Object.entries(options)) {
      if (name in fitOptions) continue;
      const known = found.get(name) ?? { option, defaults: [] };
      known.defaults.push(option.default === undefined ? id : `${id} ${option.default}`);
      found.set(name, known);
    }
  }
  return Object.fromEntries(
    [...found].map(([name, { option, defaults }]) => {
      const { default: _, ...rest } = option;
      return [name, optional({ ...rest, help: `${option.help} (${defaults.join(', ')})` })];
    }),
  );
}
