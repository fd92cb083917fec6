/** The same object, made usable with `await using`, which closes it at the end of the block. */
export function closable<T extends { close(): Promise<void> }>(value: T): T & AsyncDisposable {
  return Object.assign(value, { [Symbol.asyncDispose]: () => value.close() });
}
