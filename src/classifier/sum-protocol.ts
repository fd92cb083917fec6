import type { StoredBlock } from '../dataset/row-blocks.ts';
import type { Failure } from '../failure.ts';
import type { PlacedSums, Summing } from './row-sum.ts';

/**
 * The messages to a thread. The first says how rows are summed up, and gives the folder of the native build if that build computes. Then
 * come blocks of rows, and at the end the request for the sums.
 */
export type Message =
  | ({ readonly kind: 'begin'; readonly native?: string } & Omit<Summing, 'form'>)
  | { readonly kind: 'block'; readonly block: StoredBlock }
  | { readonly kind: 'end' };

/**
 * The thread's answers, in the order of the messages. The buffer of a block comes back, to be filled again. `refused` says, once, why the
 * native build cannot be loaded; WebAssembly then computes.
 */
export type Answer = { readonly refused?: string } & (
  | { readonly kind: 'begun' }
  | { readonly kind: 'added'; readonly buffer: ArrayBuffer }
  | ({ readonly kind: 'sums' } & PlacedSums)
  | { readonly kind: 'failure'; readonly error: Failure }
);

/** Buffers of an answer that are transferred instead of copied. */
export function buffersOf(answer: Answer): ArrayBuffer[] {
  if (answer.kind === 'added') return [answer.buffer];
  if (answer.kind !== 'sums') return [];
  const { sums, left } = answer;
  const arrays = [
    ...Object.values(sums.sums).map(({ data }) => data),
    left.rows.data,
    left.labels,
    left.places,
  ];
  return arrays.map(({ buffer }) => buffer as ArrayBuffer);
}
