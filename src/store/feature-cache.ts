import { hash } from 'node:crypto';
import { crc32 } from 'node:zlib';
import { closable } from '../closable.ts';
import { type FeatureStore, openFeatureStore } from './feature-store.ts';
import { homeFolder } from './home.ts';

/**
 * Keeps features of pictures, so that no picture is encoded twice. A key is a text `${imageSha256}:${encoderFingerprint}:${view}`.
 * Processes may share a cache. If a process is killed, the cache stays valid, and at most the features being written are lost.
 */
export interface FeatureCache {
  /** The vectors under these keys. An entry is `undefined` if there is no vector or it is damaged. */
  getMany(keys: readonly string[]): (Float32Array | undefined)[];
  /** Resolves when all vectors are on the disk. Never rejects: if writing fails, the vectors of this run stay in memory. */
  putMany(entries: readonly CacheEntry[]): Promise<void>;
  /** Number of vectors, and of bytes on the disk (in memory, if there is no disk). */
  stats(): { entries: number; bytes: number };
  clear(): Promise<void>;
  close(): Promise<void>;
}

/** A vector under its key. */
export interface CacheEntry {
  key: string;
  value: Float32Array;
}

/** Receives a message if the cache cannot be used. */
export interface FeatureCacheOptions {
  /** Called with a sentence when the cache cannot be used and features stay in memory. */
  onWarning?: (message: string) => void;
}

/**
 * Opens the cache in a folder, by default the home folder's; it is made when something is put into it. Never throws: a cache that cannot be
 * read or written is replaced by one in memory, and damaged entries count as missing.
 */
export function openFeatureCache(
  folder: string = homeFolder('features'),
  { onWarning = () => {} }: FeatureCacheOptions = {},
): FeatureCache & AsyncDisposable {
  const memory = new Map<string, Buffer>();
  let store: FeatureStore | undefined;
  let writable = true;
  const keepInMemory = (why: unknown) => {
    if (writable) onWarning(`Features of this run are not kept in ${folder}: ${(why as Error).message}.`);
    writable = false;
  };
  try {
    store = openFeatureStore(folder);
  } catch (error) {
    keepInMemory(error);
  }

  const find = (text: string): Float32Array | undefined => {
    const key = keyOf(text);
    const sealed = memory.get(key.toString('latin1')) ?? store?.get(key);
    return sealed && unseal(key, sealed);
  };

  return closable<FeatureCache>({
    getMany: (keys) => {
      try {
        store?.refresh();
        return keys.map(find);
      } catch (error) {
        // The next attempt to read the disk may succeed.
        keepInMemory(error);
        return keys.map(() => undefined);
      }
    },
    putMany: async (entries) => {
      const sealed = entries.map(({ key, value }) => seal(keyOf(key), value));
      if (store && writable) {
        try {
          return await store.putAll(sealed);
        } catch (error) {
          keepInMemory(error);
        }
      }
      for (const [key, value] of sealed) memory.set(key.toString('latin1'), value);
    },
    stats: () => {
      const { entries, bytes } = store?.stats() ?? { entries: 0, bytes: 0 };
      const held = [...memory.values()].reduce((sum, value) => sum + value.length, 0);
      return { entries: entries + memory.size, bytes: bytes + held };
    },
    clear: async () => {
      memory.clear();
      await store?.clear();
    },
    close: async () => {
      await store?.close();
      store = undefined;
    },
  });
}

/** The first 128 bits of the key's hash. They suffice for millions of keys, and the value's checksum covers the key as well. */
function keyOf(text: string): Buffer {
  return hash('sha256', text, 'buffer').subarray(0, 16);
}

const CHECKSUM = 4;

/** The stored form of a value: a CRC-32 over key and numbers, which reveals a damaged or misplaced value, then the numbers. */
function seal(key: Buffer, value: Float32Array): [Buffer, Buffer] {
  const sealed = Buffer.allocUnsafe(CHECKSUM + value.byteLength);
  sealed.set(new Uint8Array(value.buffer, value.byteOffset, value.byteLength), CHECKSUM);
  sealed.writeUInt32LE(checksum(key, sealed), 0);
  return [key, sealed];
}

/** A copy of the numbers, or `undefined` if the checksum does not match. */
function unseal(key: Buffer, sealed: Buffer): Float32Array | undefined {
  const bytes = sealed.length - CHECKSUM;
  if (bytes < 0 || bytes % 4 !== 0 || sealed.readUInt32LE(0) !== checksum(key, sealed)) return undefined;
  const value = new Float32Array(bytes / 4);
  new Uint8Array(value.buffer).set(sealed.subarray(CHECKSUM));
  return value;
}

function checksum(key: Buffer, sealed: Buffer): number {
  return crc32(sealed.subarray(CHECKSUM), crc32(key));
}
