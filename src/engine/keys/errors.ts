import { ModelError } from '../../errors.ts';

/** The error of a file that ends before its last key. */
export function shorter(path: string): ModelError {
  return new ModelError(`${path} became shorter while it was in use`, {
    code: 'keys/truncated',
    hint: 'Load the classifier again. A file in use must be replaced as a whole, as saving does.',
    details: { path },
  });
}

/** The error of a file whose content cannot be used. */
export function damaged(path: string, reason: string, cause?: unknown): ModelError {
  return new ModelError(`${path} is not a usable classifier: ${reason}`, {
    code: 'classifier/damaged',
    hint: 'The file was cut short, changed, or written by another program. Fit the classifier again or take another copy.',
    details: { path },
    cause,
  });
}
