import { ModelError } from './errors.ts';

/** A part of the program, which a page fetches when `load` imports it. Throws `ModelError` if that fails. */
export async function loadPart<T>(load: () => Promise<T>): Promise<T> {
  return load().catch((cause: Error) => {
    throw new ModelError(`A part of the program cannot be loaded: ${cause.message}`, {
      code: 'web/network',
      hint: 'Check the connection, then try again. If that does not help, save your work and reload the page.',
      cause,
    });
  });
}
