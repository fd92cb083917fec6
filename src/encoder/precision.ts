import { UsageError } from '../errors.ts';
import { suggestion } from '../nearest.ts';

export const PRECISIONS = ['fp32', 'fp16', 'int8', 'uint8', 'quantized', 'q4', 'q4f16', 'bnb4'] as const;
/** Number types of an ONNX model, named as in the hub's file names. */
export type Precision = (typeof PRECISIONS)[number];

/** The precision of both towers, or of each. */
export type TowerPrecision = Precision | `vision=${Precision},text=${Precision}`;

/** Words of transformers.js that differ from the file names. */
const WORDS: Readonly<Record<string, Precision>> = { q8: 'quantized' };

/** The precision of each tower. */
export function precisionsOf(precision: TowerPrecision): { vision: Precision; text: Precision } {
  const [vision, text = vision] = precision.split(',').map((part) => part.replace(/^\w+=/, '') as Precision);
  return { vision: vision!, text: text! };
}

/**
 * Reads `fp16`, `q8` or `vision=fp16,text=q8`; a tower that is not named has fp32. Throws `UsageError` for an unknown word.
 *
 * @param name the encoder's name, for the error
 */
export function parsePrecision(text: string, name: string): TowerPrecision {
  if (!text.includes('=')) return precisionOf(text, name);
  const towers: { vision: Precision; text: Precision } = { vision: 'fp32', text: 'fp32' };
  for (const part of text.split(',')) {
    const [, tower, precision = ''] = /^(vision|text)=(.*)$/.exec(part) ?? [];
    if (tower !== 'vision' && tower !== 'text') throw unknownWord(part, name);
    towers[tower] = precisionOf(precision, name);
  }
  return towers.vision === towers.text ? towers.vision : `vision=${towers.vision},text=${towers.text}`;
}

/** Whether a text is a precision as records state it. */
export function isTowerPrecision(text: string): text is TowerPrecision {
  const one = PRECISIONS.join('|');
  return new RegExp(`^(?:(?:${one})|vision=(?:${one}),text=(?:${one}))$`).test(text);
}

function precisionOf(text: string, name: string): Precision {
  const known = WORDS[text] ?? PRECISIONS.find((precision) => precision === text);
  if (known) return known;
  throw unknownWord(text, name);
}

function unknownWord(text: string, name: string): UsageError {
  const words = [...PRECISIONS, ...Object.keys(WORDS)];
  return new UsageError(`"${text}" in "${name}" is not a precision`, {
    code: 'encoder/precision',
    hint: `${suggestion(text, words)}Known are ${words.join(', ')}, or one for each tower: #vision=fp16,text=q8.`,
  });
}
