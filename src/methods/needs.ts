import { UsageError } from '../errors.ts';
import type { Method } from './method.ts';
import type { Task } from './task.ts';

/**
 * Refuses a task that lacks something the method needs for a fit or, with `fitted`, for scoring with a state that it has learnt before.
 * Throws `UsageError`.
 */
export function checkNeeds(
  method: Method,
  { head, support, textTower, projection, classes }: Task,
  { fitted = false }: { fitted?: boolean } = {},
): void {
  const refuse = (what: string, hint: string): never => {
    throw new UsageError(`${method.name} needs ${what}`, {
      code: 'method/needs',
      hint,
      details: { method: method.id },
    });
  };
  if (method.needs.includes('text') && !head) {
    refuse(
      'a text head',
      'Use a method without text, such as visual-only, or features with class embeddings.',
    );
  }
  // A state that was learnt from a summary holds everything that scores need.
  const suffices = fitted && method.summary !== undefined;
  if (method.needs.includes('examples') && support.labels.length === 0 && !suffices) {
    refuse('labelled examples', 'Give some, or use zero-shot.');
  }
  if (classes < 2)
    refuse('at least two classes', 'Add a second folder of pictures: a classifier chooses between classes.');
  if (method.needs.includes('text-tower') && !textTower && (!fitted || method.readsTexts))
    throw lacksTextTower(method);
  if (fitted) return;
  if (method.needs.includes('projection') && !projection) throw lacksProjection(method);
  if (method.needs.includes('two-examples') && largest(support.labels) < 2) {
    refuse('two examples of a class', 'Give more pictures, or use tip-adapter or anchored.');
  }
  if (method.needs.includes('several-prompts') && largest(head?.promptClass ?? []) < 2) {
    refuse('several prompts per class', 'Give --template more than once, or --prompts imagenet.');
  }
}

/** The error of a method that learns the image tower's projection, if rows do not have the features before it. */
export function lacksProjection({ id, name }: Pick<Method, 'id' | 'name'>): UsageError {
  return new UsageError(`${name} needs the features before the last projection of the image tower`, {
    code: 'method/needs',
    hint: 'Give pictures, or features of such an encoder, and add +pre-projection to the name of a CLIP that is built from weights: --encoder clip-rn50+pre-projection.',
    details: { method: id },
  });
}

/** The error of a method that learns words, if the encoder's text tower does not take them. */
export function lacksTextTower({ id, name }: Pick<Method, 'id' | 'name'>): UsageError {
  return new UsageError(`${name} needs an encoder whose text tower takes learnt words`, {
    code: 'method/needs',
    hint: 'Use a CLIP that is built from weights: tip-adapter encoders list names them.',
    details: { method: id },
  });
}

/** How often the most frequent number occurs. */
function largest(numbers: ArrayLike<number>): number {
  const counts = new Map<number, number>();
  for (let i = 0; i < numbers.length; i++) counts.set(numbers[i]!, (counts.get(numbers[i]!) ?? 0) + 1);
  let most = 0;
  for (const n of counts.values()) most = Math.max(most, n);
  return most;
}
