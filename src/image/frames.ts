/**
 * A message between a program and its decoders, through pipes: the length of a header (32 bits, little-endian), the header in
 * JSON, then parts of bytes, whose sizes the header lists.
 */
export interface Frame<Header> {
  readonly header: Header;
  readonly parts: readonly Uint8Array[];
}

/** Longest header in bytes. */
const LONGEST_HEADER = 2 ** 20;

/** Largest size of all parts together, in bytes. */
const LONGEST_PARTS = 2 ** 31 - 1;

/** The pieces of a frame, in the order in which they are written. Parts are not copied. */
export function frameOf<Header>({ header, parts }: Frame<Header>): Uint8Array[] {
  const json = Buffer.from(JSON.stringify({ header, sizes: parts.map(({ length }) => length) }));
  const length = Buffer.alloc(4);
  length.writeUInt32LE(json.length);
  return [Buffer.concat([length, json]), ...parts];
}

/** Assembles frames from the chunks of a pipe. Throws if the bytes are not frames. */
export function frameReader<Header>(onFrame: (frame: Frame<Header>) => void): (chunk: Uint8Array) => void {
  let stage: 'length' | 'header' | 'parts' = 'length';
  let wanted = Buffer.alloc(4);
  let filled = 0;
  let open: { header: Header; sizes: number[] };

  const finish = () => {
    const bytes = wanted;
    filled = 0;
    if (stage === 'length') {
      stage = 'header';
      wanted = Buffer.alloc(atMost(LONGEST_HEADER, bytes.readUInt32LE()));
    } else if (stage === 'header') {
      stage = 'parts';
      open = JSON.parse(bytes.toString('utf8'));
      const total = open.sizes.reduce((sum, size) => sum + size, 0);
      wanted = Buffer.allocUnsafeSlow(atMost(LONGEST_PARTS, total));
    } else {
      stage = 'length';
      wanted = Buffer.alloc(4);
      let at = 0;
      const parts = open.sizes.map((size) => {
        at += size;
        return new Uint8Array(bytes.buffer, at - size, size);
      });
      onFrame({ header: open.header, parts });
    }
  };

  return (chunk) => {
    for (let at = 0; ; finish()) {
      const taken = chunk.subarray(at, at + wanted.length - filled);
      wanted.set(taken, filled);
      at += taken.length;
      filled += taken.length;
      if (filled < wanted.length) return;
    }
  };
}

function atMost(limit: number, size: number): number {
  if (size <= limit) return size;
  throw new RangeError(`A frame is too large (${size})`);
}
