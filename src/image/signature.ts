/** A picture format that is recognised by a file's first bytes. `read` tells whether it can be decoded. */
export interface Signature {
  readonly name: string;
  readonly read: boolean;
}

type Marks = readonly (readonly [offset: number, text: string])[];

const box = (brand: string): Marks => [
  [4, 'ftyp'],
  [8, brand],
];

/** The marks of each format: positions and bytes as Latin-1 text. The first format whose marks are all present is the file's. */
const SIGNATURES: readonly (Signature & { readonly marks: Marks })[] = [
  { name: 'JPEG', read: true, marks: [[0, '\xff\xd8\xff']] },
  { name: 'PNG', read: true, marks: [[0, '\x89PNG']] },
  { name: 'GIF', read: true, marks: [[0, 'GIF8']] },
  // biome-ignore format: a row a format
  { name: 'WebP', read: true, marks: [[0, 'RIFF'], [8, 'WEBP']] },
  { name: 'TIFF', read: true, marks: [[0, 'II*\0']] },
  { name: 'TIFF', read: true, marks: [[0, 'MM\0*']] },
  { name: 'TIFF', read: true, marks: [[0, 'II+\0']] },
  { name: 'TIFF', read: true, marks: [[0, 'MM\0+']] },
  { name: 'AVIF', read: true, marks: box('avif') },
  { name: 'AVIF', read: true, marks: box('avis') },
  ...['heic', 'heix', 'hevc', 'hevx', 'mif1', 'msf1'].map((brand) => ({
    name: 'HEIC',
    read: true,
    marks: box(brand),
  })),
  { name: 'MP4', read: false, marks: box('') },
  // biome-ignore format: a row a format
  { name: 'BMP', read: false, marks: [[0, 'BM'], [6, '\0\0\0\0']] },
  ...['P1', 'P2', 'P3', 'P4', 'P5', 'P6'].flatMap((kind) =>
    ['\n', '\r', '\t', ' ', '#'].map((blank) => ({
      name: 'PPM',
      read: true,
      marks: [[0, kind + blank]] as Marks,
    })),
  ),
  { name: 'PSD', read: false, marks: [[0, '8BPS']] },
  { name: 'JPEG 2000', read: false, marks: [[4, 'jP  \r\n']] },
  { name: 'JPEG XL', read: true, marks: [[0, '\xff\x0a']] },
  { name: 'JPEG XL', read: true, marks: [[4, 'JXL \r\n']] },
];

const HEAD = 64;

/** Number of bytes of a text that are searched for its kind. */
const TEXT_HEAD = 4096;

/** Parts that may precede the first element of a text. */
const BEFORE: readonly (readonly [opening: string, closing: string])[] = [
  ['<?', '?>'],
  ['<!--', '-->'],
];

/** The format of a file by its first bytes; undefined if they are of no known format. The name is not considered. */
export function signatureOf(bytes: Uint8Array): Signature | undefined {
  const head = String.fromCharCode(...bytes.subarray(0, HEAD));
  const found = SIGNATURES.find(({ marks }) => marks.every(([at, text]) => head.startsWith(text, at)));
  // The brand `mif1` is used for any picture in such a container. Its list of compatible brands gives the format.
  if (found?.name === 'HEIC' && head.includes('avif')) return { name: 'AVIF', read: true };
  return found ?? textSignature(bytes);
}

/** The signature of SVG and PDF. They are texts, which may begin with a byte order mark, blanks, comments and an XML declaration. */
function textSignature(bytes: Uint8Array): Signature | undefined {
  let text = String.fromCharCode(...bytes.subarray(0, TEXT_HEAD))
    .replace(/^\xef\xbb\xbf/, '')
    .trimStart();
  for (;;) {
    const skipped = BEFORE.find(([opening]) => text.startsWith(opening));
    if (!skipped) break;
    const [, closing] = skipped;
    const end = text.indexOf(closing);
    if (end < 0) return undefined;
    text = text.slice(end + closing.length).trimStart();
  }
  if (/^<(!doctype\s+|[\w-]+:)?svg\b/i.test(text)) return { name: 'SVG', read: false };
  return text.startsWith('%PDF-') ? { name: 'PDF', read: false } : undefined;
}
