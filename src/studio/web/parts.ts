import { computed, signal } from '@preact/signals';

export const PARTS = ['collect', 'teach', 'try', 'keep'] as const;
export type Part = (typeof PARTS)[number];

/** The part that a narrow screen shows. */
export const part = signal<Part>('collect');

/** Room for two columns: what is collected stays beside the part that is shown. */
const twoColumns = matchMedia('(min-width: 56.25rem)');
const isWide = signal(twoColumns.matches);
twoColumns.addEventListener('change', ({ matches }) => {
  isWide.value = matches;
});
export const shownPart = computed<Part>(() =>
  isWide.value && part.value === 'collect' ? 'teach' : part.value,
);

/** Whether the pointer is a finger: it taps, and drops nothing. */
export const isTouch = matchMedia('(pointer: coarse)').matches;
