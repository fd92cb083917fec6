import { UsageError } from '../errors.ts';
import type { TextHead } from '../methods/task.ts';
import { headFromPrompts } from '../methods/text-head.ts';
import { suggestion } from '../nearest.ts';
import { type EncodeTextsOptions, encodeTexts } from './encode-texts.ts';
import type { Encoder, ReadingEncoder } from './types.ts';

/** Prompt templates of the paper (Zhang et al. 2022, appendix; CLIP's authors' choices) for the public benchmarks. */
export const TEMPLATES: Readonly<Record<string, readonly string[]>> = {
  imagenet: [
    'itap of a {}.',
    'a bad photo of the {}.',
    'a origami {}.',
    'a photo of the large {}.',
    'a {} in a video game.',
    'art of the {}.',
    'a photo of the small {}.',
  ],
  caltech101: ['a photo of a {}.'],
  dtd: ['{} texture.'],
  eurosat: ['a centered satellite photo of {}.'],
  fgvc: ['a photo of a {}, a type of aircraft.'],
  flowers: ['a photo of a {}, a type of flower.'],
  food101: ['a photo of {}, a type of food.'],
  pets: ['a photo of a {}, a type of pet.'],
  cars: ['a photo of a {}.'],
  sun397: ['a photo of a {}.'],
  ucf101: ['a photo of a person doing {}.'],
};

/** Returns the templates of a public data set by its name. Throws `UsageError` with the nearest name if it is unknown. */
export function presetTemplates(name: string): readonly string[] {
  const found = TEMPLATES[name];
  if (found) return found;
  const names = Object.keys(TEMPLATES);
  throw new UsageError(`There is no prompt preset named "${name}"`, {
    code: 'prompts/unknown-preset',
    hint: `${suggestion(name, names)}Known are ${names.join(', ')}.`,
    details: { name, names },
  });
}

/** Throws `UsageError` for a template without `{}` for the class name. */
export function checkTemplate(template: string): void {
  if (!template.includes('{}')) {
    throw new UsageError(`The template "${template}" has no {} for the class name`, {
      code: 'prompts/template',
      hint: 'For example: "a photo of a {}."',
      details: { template },
    });
  }
}

/** The template with the class name in place of `{}`. Underscores of the name become spaces. */
export function renderPrompt(template: string, className: string): string {
  checkTemplate(template);
  return template.replaceAll('{}', () => className.replaceAll('_', ' ').trim());
}

/** A class's texts for the text tower: its name in templates, and its own complete prompts. */
export interface PromptedClass {
  readonly promptName: string;
  readonly prompts?: readonly string[];
}

/** A prompt whose end the encoder does not read. */
export interface CutPrompt {
  readonly prompt: string;
  /** Number of tokens of the prompt. */
  readonly tokens: number;
  /** Number of tokens that are read. */
  readonly read: number;
}

/** The error for something that needs texts, with an encoder that embeds only pictures. */
export function readsNone({ id }: Pick<Encoder, 'id'>, what: string): UsageError {
  return new UsageError(`${what}, and the encoder ${id} embeds pictures only`, {
    code: 'encoder/no-texts',
    hint: 'Use a method that needs no class names (auto chooses among them), or an encoder that reads texts, such as CLIP.',
    details: { encoder: id },
  });
}

/** Throws `UsageError` if an encoder embeds only pictures. */
export function checkReads(encoder: Encoder): asserts encoder is ReadingEncoder {
  if (!encoder.embedTexts) throw readsNone(encoder, 'Prompts are texts');
}

/** Prompts that an encoder does not read as they are meant. */
export interface MisreadPrompts {
  /** Those that are longer than the encoder reads. */
  readonly cut: readonly CutPrompt[];
  /** Those with letters of a script that the encoder has not learnt. */
  readonly foreign: readonly string[];
}

/** The prompts that the encoder does not read as they are meant. */
export async function misreadPrompts(encoder: Encoder, prompts: readonly string[]): Promise<MisreadPrompts> {
  const length = await encoder.textLength?.(prompts);
  if (!length) return { cut: [], foreign: [] };
  const { tokens, read, foreign } = length;
  const measured = prompts.map((prompt, i): CutPrompt => ({ prompt, tokens: tokens[i]!, read }));
  return {
    cut: measured.filter((prompt) => prompt.tokens > read),
    foreign: prompts.filter((_, i) => foreign?.[i]),
  };
}

/**
 * The text head of the classes: the mean of the embeddings of each class's prompts, which are the templates with its name and its own
 * prompts. Also returns the prompts of each class and those that are misread. Throws `UsageError` if a template has no `{}`, a class
 * has no prompt, or the encoder reads no texts.
 */
export async function textHead(
  encoder: Encoder,
  classes: readonly PromptedClass[],
  templates: readonly string[] = [encoder.defaults.template],
  work: EncodeTextsOptions = {},
): Promise<TextHead & { prompts: string[][] } & MisreadPrompts> {
  const prompts = classes.map(({ promptName, prompts: own = [] }) => [
    ...new Set([...templates.map((template) => renderPrompt(template, promptName)), ...own]),
  ]);
  const bare = prompts.findIndex((list) => list.length === 0);
  if (bare >= 0) {
    throw new UsageError(`The class "${classes[bare]!.promptName}" has no prompt`, { code: 'prompts/none' });
  }
  checkReads(encoder);
  const promptFeatures = await encodeTexts(encoder, prompts.flat(), work);
  const promptClass = Int32Array.from(prompts.flatMap((list, c) => list.map(() => c)));
  const head = headFromPrompts(promptFeatures, promptClass, classes.length, encoder.logitScale);
  return { ...head, prompts, ...(await misreadPrompts(encoder, prompts.flat())) };
}
