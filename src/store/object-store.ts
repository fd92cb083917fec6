import type { Abortable } from '../abort.ts';
import { DataError, ModelError, UsageError } from '../errors.ts';
import { count, number } from '../words.ts';
import type { NetworkOptions } from './network.ts';

/** A file or object in a store. */
export interface StoredObject {
  /** Its name below the store's address, with `/` between folders. */
  readonly key: string;
  /** Number of bytes. Undefined if a list of addresses does not state it. */
  readonly size?: number;
  /** Changes whenever the content does. Undefined if the server gives none. */
  readonly tag?: string;
  /** The date of the last change, as the server gives it. */
  readonly modified?: string;
}

export interface ReadOptions extends Abortable {
  /** The bytes from `from` up to, but not including, `to`. Default: all. */
  range?: { readonly from: number; readonly to: number };
  /** The tag that the object must still have. */
  tag?: string;
}

/** The content to put: bytes, or a file, which is read in parts and may be larger than memory. */
export type StoredBody = Uint8Array | { readonly file: string };

export interface PutOptions extends Abortable {
  /** Keeps an object that is already there. Of several writers at once, one writes and the others find it there. */
  onlyIfAbsent?: boolean;
}

export interface ListOptions extends Abortable {
  /** A key that was listed before: only the objects after it are listed. */
  after?: string;
}

export interface StoreOptions extends Pick<NetworkOptions, 'fetch' | 'retryDelay'> {
  /** Has the keys and the endpoint (`AWS_…`). Default: the environment of this process. */
  env?: Readonly<Record<string, string | undefined>>;
}

/**
 * A place of sources and results: a folder, a bucket, or addresses on the web. All failures are `DataError`s (`store/…`, `disk/…`) or, if
 * the signal fires, `InterruptedError`. A failure that may pass (a status of 429 or 5xx, a broken connection, a body that is too short) is
 * retried several times first. No message has a secret in it.
 */
export interface ObjectStore {
  /** The address for messages: without user, password and query. */
  readonly address: string;
  /** Objects whose key begins with `prefix`, in the order of the bytes of their keys. Only one page or folder is in memory at a time. */
  list(prefix?: string, options?: ListOptions): AsyncIterable<StoredObject>;
  /** Size and tag of an object; undefined if it is not there. */
  find(key: string, options?: Abortable): Promise<StoredObject | undefined>;
  /** All bytes asked for, or an error: `store/missing`, `store/changed` (another tag), `store/incomplete` (fewer bytes). */
  read(key: string, options?: ReadOptions): Promise<Uint8Array>;
  /** Writes an object, whole or not at all. With `onlyIfAbsent`, a put that was retried may find the object of its first attempt. */
  put(key: string, body: StoredBody, options?: PutOptions): Promise<'written' | 'already there'>;
  /** Removes an object. It is no error if the object does not exist. */
  remove(key: string, options?: Abortable): Promise<void>;
  /** A file of this machine that holds an object. Absent if the store has no files here. */
  pathOf?(key: string, options?: Abortable): Promise<string>;
}

/** A store that pictures are read from. */
export type PictureStore = Pick<ObjectStore, 'address' | 'list' | 'find' | 'read' | 'pathOf'>;

/** Refuses a key that a folder or a URL would take for another one: with `.` or `..` as a part, or with an empty part. */
export function checkKey(key: string): string {
  const parts = key.split('/');
  if (!parts.some((part) => part === '' || part === '.' || part === '..' || part.includes('\0'))) return key;
  throw new UsageError(`"${key}" cannot be the name of an object`, {
    code: 'store/key',
    hint: 'Give a name without "." and ".." as parts, and without "//".',
    details: { key },
  });
}

/**
 * An error of a store while it is read for many pictures: as a `ModelError` if the store does not answer, because that is no fault of the
 * picture, and unchanged if the object is missing.
 */
export function outage(error: unknown): unknown {
  if (!(error instanceof DataError) || !error.code.startsWith('store/') || error.code === 'store/missing')
    return error;
  const { message, code, hint, details } = error;
  return new ModelError(message, { code, hint, details, cause: error });
}

export function missingObject(where: string, cause?: unknown): DataError {
  return new DataError(`There is no ${where}`, {
    code: 'store/missing',
    hint: 'Check the address, and that nothing removes objects while they are read.',
    details: { where },
    cause,
  });
}

export function changedObject(where: string): DataError {
  return new DataError(`${where} has changed since it was listed`, {
    code: 'store/changed',
    hint: 'Start again when nothing writes to the source any more.',
    details: { where },
  });
}

/** Checks that all bytes asked for have come. */
export function complete(bytes: Uint8Array, expected: number, where: string): Uint8Array {
  if (bytes.length === expected) return bytes;
  throw new DataError(`${where} gave ${number(bytes.length)} of ${count(expected, 'byte')}`, {
    code: 'store/incomplete',
    hint: 'Check that nothing writes to the source, and start again.',
    details: { where, bytes: bytes.length, expected },
  });
}
