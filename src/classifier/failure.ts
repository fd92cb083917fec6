import type { Failure, Prediction } from './types.ts';

/** Whether a streamed result is a failure instead of an answer. */
export function isFailure(result: Prediction | Failure): result is Failure {
  return 'error' in result;
}
