import { readFile } from 'node:fs/promises';
import { unzipSync } from 'fflate';

/** Stand-ins until src/image and src/store hold the real ones. */
export function isImagePath(path: string): boolean {
  return /\.(jpe?g|png|gif|webp|tiff?|bmp|avif|heic|heif)$/i.test(path);
}

export async function openZip(path: string): Promise<{
  entries: { name: string; size: number }[];
  read(name: string): Promise<Uint8Array>;
}> {
  const files = unzipSync(await readFile(path));
  const entries = Object.entries(files).map(([name, bytes]) => ({ name, size: bytes.length }));
  return { entries, read: async (name) => files[name] };
}
