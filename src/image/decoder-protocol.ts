/** What a decoder is told when it starts. */
export interface DecoderSettings {
  /** Bytes of resident memory that it may take. */
  readonly memory: number;
}

/** What a decoder says: that it can take jobs, the results of a job, or why there are none. */
export type Answer =
  | { readonly kind: 'ready' }
  | { readonly kind: 'results' }
  | { readonly kind: 'failure'; readonly error: Failure };

export interface Failure {
  readonly name: string;
  readonly message: string;
  readonly code?: string;
  readonly hint?: string;
  readonly details?: Record<string, unknown>;
}

/** The signal by which a decoder ends itself that takes more memory than it may. */
export const OUT_OF_MEMORY = 'SIGUSR2';
