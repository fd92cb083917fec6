import type { Stats } from 'node:fs';
import type { FileHandle } from 'node:fs/promises';
import { ModelError } from '../errors.ts';
import type { Tensor } from '../math/tensor.ts';
import { type FileUse, openRegular } from './regular.ts';
import { CHUNK, headerLength, type SafetensorsEntry, typed } from './safetensors.ts';
import { type Header, parseHeader } from './safetensors-header.ts';

/** An open safetensors file of any size. The header is in memory; tensors are read on request. */
export interface SafetensorsFile {
  readonly metadata: Record<string, string>;
  /** By name. */
  readonly entries: ReadonlyMap<string, SafetensorsEntry>;
  /** Reads one tensor. Throws `ModelError` if the file has no tensor of that name or became shorter. */
  tensor(name: string): Promise<Tensor>;
  /** The bytes of one tensor, some megabytes at a time. */
  chunks(name: string): AsyncGenerator<Uint8Array>;
  /** Position of a tensor in the file, in bytes. */
  position(name: string): number;
  stat(): Promise<Stats>;
  close(): Promise<void>;
}

/** Tensors of any kind. */
const WEIGHTS: FileUse = { area: 'safetensors', Failure: ModelError };

/** Opens a file for reading tensors one by one. Throws as `parseSafetensors`, and as `openRegular`. */
export async function openSafetensors(path: string, use: FileUse = WEIGHTS): Promise<SafetensorsFile> {
  const { file, stats } = await openRegular(path, use);
  try {
    const { size } = stats;
    const length = headerLength(await readAt(file, 0, Math.min(8, size), path), size, path);
    const start = 8 + length;
    const header = parseHeader(await readAt(file, 8, length, path), size - start, path);
    const placeOf = (name: string) => {
      const { begin, end } = entryOf(header, name, path);
      return { begin: start + begin, end: start + end };
    };
    return {
      metadata: header.metadata,
      entries: header.entries,
      tensor: async (name) => {
        const { dtype, shape } = entryOf(header, name, path);
        const { begin, end } = placeOf(name);
        return { dtype, shape, data: typed(dtype, await readAt(file, begin, end - begin, path)) };
      },
      async *chunks(name) {
        const { begin, end } = placeOf(name);
        for (let at = begin; at < end; at += CHUNK) yield readAt(file, at, Math.min(CHUNK, end - at), path);
      },
      position: (name) => placeOf(name).begin,
      stat: () => file.stat(),
      close: () => file.close(),
    };
  } catch (error) {
    await file.close();
    throw error;
  }
}

function entryOf({ entries }: Header, name: string, path: string) {
  const entry = entries.get(name);
  if (entry) return entry;
  throw new ModelError(`${path} has no tensor "${name}"`, {
    code: 'safetensors/no-tensor',
    details: { path, name },
  });
}

/** Number of bytes read at once; Node's limit is below 2 GiB. */
const READ_AT_ONCE = 1 << 30;

async function readAt(file: FileHandle, position: number, length: number, path: string): Promise<Uint8Array> {
  const bytes = new Uint8Array(length);
  for (let done = 0; done < length; ) {
    const wanted = Math.min(READ_AT_ONCE, length - done);
    const { bytesRead } = await file.read(bytes, done, wanted, position + done);
    if (bytesRead === 0) {
      throw new ModelError(`${path} became shorter while it was read`, {
        code: 'safetensors/truncated',
        details: { path, position, length },
      });
    }
    done += bytesRead;
  }
  return bytes;
}
