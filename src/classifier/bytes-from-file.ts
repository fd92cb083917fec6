import { damaged } from '../engine/keys/errors.ts';
import { openFile } from '../engine/keys/node.ts';
import { readFully } from '../engine/keys/reader.ts';
import { isIntact } from '../store/pages.ts';
import type { Bytes } from './example-list.ts';

/** The place of bytes in a file, with the size and the hashes of their pages. */
export interface BytesPlace {
  readonly path: string;
  readonly identity: string;
  readonly offset: number;
  readonly length: number;
  readonly pageBytes: number;
  readonly hashes: Uint8Array;
}

/** Bytes that stay in a file. A page is verified when it is read, and the last one is kept, because neighbours are often read in turn. */
export function fileBytes({ path, identity, offset, length, pageBytes, hashes }: BytesPlace): Bytes {
  let kept: { page: number; bytes: Uint8Array } | undefined;
  const pageAt = (page: number): Uint8Array => {
    if (kept?.page === page) return kept.bytes;
    const bytes = new Uint8Array(Math.min(pageBytes, length - page * pageBytes));
    const reader = openFile(path, identity);
    try {
      readFully(reader, path, bytes, offset + page * pageBytes);
    } finally {
      reader.close();
    }
    if (!isIntact(bytes, hashes, page)) throw damaged(path, 'its checksum does not match');
    kept = { page, bytes };
    return bytes;
  };
  return {
    length,
    slice(begin, end) {
      const out = new Uint8Array(end - begin);
      for (let at = begin; at < end; ) {
        const start = at % pageBytes;
        const part = pageAt(Math.floor(at / pageBytes)).subarray(start, start + end - at);
        out.set(part, at - begin);
        at += part.length;
      }
      return out;
    },
  };
}
