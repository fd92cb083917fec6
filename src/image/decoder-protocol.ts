import type { Failure } from '../failure.ts';

/** Settings that a decoder gets when it starts. */
export interface DecoderSettings {
  /** Limit of its resident memory, in bytes. */
  readonly memory: number;
}

/** A decoder's message: that it is ready for jobs, the results of a job, or the failure of a job. */
export type Answer =
  | { readonly kind: 'ready' }
  | { readonly kind: 'results' }
  | { readonly kind: 'failure'; readonly error: Failure };

/** The signal by which a decoder ends itself when it exceeds its memory limit. */
export const OUT_OF_MEMORY = 'SIGUSR2';
