import type { Pieces } from '../abort.ts';
import { UsageError } from '../errors.ts';
import type { Tensor } from '../math/tensor.ts';
import { HASH, placeHash } from '../sha256.ts';
import { SHA256 } from './example-list.ts';
import type { SupportExample } from './types.ts';

/** The tensors of the examples' ids and hashes, as interruptible work. Throws `UsageError` for a hash that is no sha256. */
export function* exampleTensors(examples: readonly SupportExample[]): Pieces<Record<string, Tensor>> {
  const offsets = new Int32Array(examples.length + 1);
  const hashes = new Uint8Array(examples.length * HASH);
  let bytes = new Uint8Array(1 << 10);
  for (let i = 0; i < examples.length; i++) {
    const { id, sha256 } = examples[i]!;
    const start = offsets[i]!;
    const most = start + 3 * id.length;
    if (most >= 2 ** 31) throw cannotBeStored('the ids of the examples have more than 2 GiB');
    if (most > bytes.length) {
      const larger = new Uint8Array(Math.max(2 * bytes.length, most));
      larger.set(bytes);
      bytes = larger;
    }
    offsets[i + 1] = start + writeName(id, bytes.subarray(start));
    if (!SHA256.test(sha256)) throw cannotBeStored(`the example "${id}" has the sha256 "${sha256}"`);
    placeHash(sha256, hashes, HASH * i);
    yield;
  }
  const size = offsets[examples.length]!;
  return {
    'examples.ids': { dtype: 'uint8', shape: [size], data: bytes.slice(0, size) },
    'examples.ids.offsets': { dtype: 'int32', shape: [offsets.length], data: offsets },
    'examples.sha256': { dtype: 'uint8', shape: [examples.length, HASH], data: hashes },
  };
}

function cannotBeStored(why: string): UsageError {
  return new UsageError(`The classifier cannot be stored: ${why}`, { code: 'classifier/examples' });
}

const encoder = new TextEncoder();

/** With the flag `u`, only surrogates without their pair match. */
const LONE = /([\ud800-\udfff])/u;

/** Writes a name, and returns its number of bytes. `TextEncoder` alone would replace lone surrogates, and two names could become one. */
function writeName(name: string, into: Uint8Array): number {
  let at = 0;
  for (const piece of name.split(LONE)) {
    if (LONE.test(piece)) {
      const code = piece.charCodeAt(0);
      into.set([0xe0 | (code >> 12), 0x80 | ((code >> 6) & 0x3f), 0x80 | (code & 0x3f)], at);
      at += 3;
    } else at += encoder.encodeInto(piece, into.subarray(at)).written;
  }
  return at;
}
