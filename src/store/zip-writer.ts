import { Zip, ZipPassThrough } from 'fflate';

/** Limits of a zip without 64-bit sizes (APPNOTE 6.3, section 4.3.9). */
export const MOST_ZIP_ENTRIES = 65_534;
export const MOST_ZIP_BYTES = 2 ** 32 - 2 ** 26;

type Several<T> = Iterable<T> | AsyncIterable<T>;

/** One file to write into a zip: its name, with forward slashes, and its bytes. */
export interface ZipFile {
  readonly name: string;
  readonly chunks: Several<Uint8Array>;
}

/** The bytes of a zip, in pieces. Its files are stored without compression, because pictures and weights do not compress. */
export async function* zipped(files: Several<ZipFile>): AsyncGenerator<Uint8Array> {
  const ready: Uint8Array[] = [];
  const zip = new Zip((error, chunk) => {
    if (error) throw error;
    ready.push(chunk);
  });
  for await (const { name, chunks } of files) {
    const entry = new ZipPassThrough(name);
    zip.add(entry);
    for await (const chunk of chunks) {
      entry.push(chunk);
      yield* ready.splice(0);
    }
    entry.push(new Uint8Array(), true);
  }
  zip.end();
  yield* ready;
}
