import { gzipSync } from 'node:zlib';
import { Header, type HeaderData } from 'tar';

/** A gzipped tarball of the given entries, which are regular files unless their headers give another type. */
export function tarball(entries: readonly (readonly [HeaderData, string])[]): Uint8Array {
  const blocks = entries.flatMap(([header, content]) => {
    const head = Buffer.alloc(512);
    new Header({ type: 'File', mode: 0o644, ...header, size: content.length }).encode(head);
    return [head, Buffer.from(content), Buffer.alloc(-content.length & 511)];
  });
  return new Uint8Array(gzipSync(Buffer.concat([...blocks, Buffer.alloc(1024)])));
}
