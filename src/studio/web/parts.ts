import { computed, signal } from '@preact/signals';

export const PARTS = ['collect', 'teach', 'try', 'keep'] as const;
export type Part = (typeof PARTS)[number];

/** The section that a narrow screen shows. */
export const part = signal<Part>('collect');

/** Whether there is space for two columns: the collection stays beside the shown section. */
const twoColumns = matchMedia('(min-width: 56.25rem)');
const isWide = signal(twoColumns.matches);
twoColumns.addEventListener('change', ({ matches }) => {
  isWide.value = matches;
});
export const shownPart = computed<Part>(() =>
  isWide.value && part.value === 'collect' ? 'teach' : part.value,
);

/** Whether the pointer is a finger, which taps and cannot drop files. */
export const isTouch = matchMedia('(pointer: coarse)').matches;
