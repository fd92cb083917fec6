import { computed, type ReadonlySignal } from '@preact/signals';
import type { CheckReport } from './api.ts';
import { board, check } from './store.ts';

export type Answer = CheckReport['answers'][number];

/** Answers of the latest check for pictures that have not been moved since. */
const current = computed<readonly Answer[]>(() => {
  const { answers = [], classes = [] } = check.value ?? {};
  const { pictures } = board.value;
  return answers.filter(({ hash, label }) => pictures.get(hash)?.classId === classes[label]!.id);
});

/** Least lead of another class's probability over that of the label, from which a label is suspect. */
const SUSPICIOUS = 0.5;

/** Confident wrong answers, the most confident first, for pictures whose label nobody has confirmed. */
export const suspects: ReadonlySignal<readonly Answer[]> = computed(() => {
  const lead = ({ probability, labelProbability }: Answer) => probability - labelProbability;
  return current.value
    .filter((answer) => lead(answer) > SUSPICIOUS && !board.value.confirmed.has(answer.hash))
    .toSorted((a, b) => lead(b) - lead(a));
});

/** An answer with a lower probability is unsure. */
const UNSURE = 0.5;

export const unsure: ReadonlySignal<readonly Answer[]> = computed(() =>
  current.value.filter(({ probability }) => probability < UNSURE),
);

/** Sets of pictures that are nearly the same, without those that somebody has confirmed. */
export const alikeSets = computed<readonly (readonly string[])[]>(() => {
  const { pictures, confirmed } = board.value;
  return (check.value?.alike ?? [])
    .map((set) => set.filter((hash) => pictures.has(hash)))
    .filter((set) => set.length > 1 && set.some((hash) => !confirmed.has(hash)));
});
