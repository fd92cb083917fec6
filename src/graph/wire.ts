import { ModelError } from '../errors.ts';

/** One field of a protocol-buffer message (https://protobuf.dev/programming-guides/encoding). */
export interface WireField {
  readonly number: number;
  /** The bytes of tag and content in the message. */
  readonly raw: Uint8Array;
  /** Content of a field with a length (text, bytes, a message); empty for others. */
  readonly content: Uint8Array;
  /** Value of an integer field; 0 for others. */
  readonly integer: number;
}

const VARINT = 0;
const DELIMITED = 2;
/** Remaining bytes of each wire type that has no length prefix: varint (read already), 64 bits, 32 bits. */
const FIXED_LENGTHS: Readonly<Record<number, number>> = { [VARINT]: 0, 1: 8, 5: 4 };

/** The fields of a message in order. Contents are views, not copies. Throws `ModelError` if the bytes end too soon. */
export function fieldsOf(message: Uint8Array): WireField[] {
  const fields: WireField[] = [];
  const place = { at: 0 };
  while (place.at < message.length) {
    const start = place.at;
    const tag = varint(message, place);
    const kind = tag & 7;
    const integer = kind === VARINT ? varint(message, place) : 0;
    const length = kind === DELIMITED ? varint(message, place) : (FIXED_LENGTHS[kind] ?? Number.NaN);
    const end = place.at + length;
    if (!(end <= message.length)) throw cutShort();
    const content = message.subarray(place.at, kind === DELIMITED ? end : place.at);
    place.at = end;
    fields.push({ number: Math.floor(tag / 8), raw: message.subarray(start, end), content, integer });
  }
  return fields;
}

const decoder = new TextDecoder();

export function textOf({ content }: WireField): string {
  return decoder.decode(content);
}

/** A field of repeated integers in packed form. */
export function integersOf({ content }: WireField): number[] {
  const values: number[] = [];
  for (const place = { at: 0 }; place.at < content.length; ) values.push(varint(content, place));
  return values;
}

/** Reads an integer and advances `place`. A 64-bit integer with its highest bit set is negative (two's complement). */
function varint(bytes: Uint8Array, place: { at: number }): number {
  let value = 0n;
  for (let shift = 0n; shift < 70n; shift += 7n) {
    if (place.at >= bytes.length) throw cutShort();
    const byte = bytes[place.at++]!;
    value |= BigInt(byte & 127) << shift;
    if (byte < 128) return Number(BigInt.asIntN(64, value));
  }
  throw cutShort();
}

function cutShort(): ModelError {
  return new ModelError('The ONNX file is truncated or damaged', {
    code: 'onnx/damaged',
    hint: 'Download or export the model again.',
  });
}
