/**
 * The part of the protocol-buffer wire format that writing ONNX needs (https://protobuf.dev/programming-guides/encoding).
 * A message is a list of byte chunks. They are joined once, at the end, so that hundreds of megabytes of weights are copied once.
 */
export class Message {
  private readonly chunks: Uint8Array[] = [];
  private length = 0;

  push(chunk: Uint8Array): void {
    this.chunks.push(chunk);
    this.length += chunk.length;
  }

  append(other: Message): void {
    for (const chunk of other.chunks) this.push(chunk);
  }

  get size(): number {
    return this.length;
  }

  /** A 32-bit float field. */
  float(field: number, value: number): void {
    this.push(varint(field * 8 + 5));
    this.push(new Uint8Array(Float32Array.of(value).buffer));
  }

  bytes(): Uint8Array<ArrayBuffer> {
    const out = new Uint8Array(this.length);
    let at = 0;
    for (const chunk of this.chunks) {
      out.set(chunk, at);
      at += chunk.length;
    }
    return out;
  }
}

const encoder = new TextEncoder();

function varint(value: number): Uint8Array {
  const bytes: number[] = [];
  let rest = BigInt.asUintN(64, BigInt(value));
  while (rest > 127n) {
    bytes.push(Number(rest & 127n) | 128);
    rest >>= 7n;
  }
  bytes.push(Number(rest));
  return Uint8Array.from(bytes);
}

export function varintField(message: Message, field: number, value: number): void {
  message.push(varint(field * 8));
  message.push(varint(value));
}

export function textField(message: Message, field: number, value: string): void {
  bytesField(message, field, encoder.encode(value));
}

export function bytesField(message: Message, field: number, value: Uint8Array | Message): void {
  message.push(varint(field * 8 + 2));
  if (value instanceof Message) {
    message.push(varint(value.size));
    message.append(value);
  } else {
    message.push(varint(value.length));
    message.push(value);
  }
}

/** Repeated integers in packed form. */
export function packedField(message: Message, field: number, values: readonly number[]): void {
  const packed = new Message();
  for (const value of values) packed.push(varint(value));
  bytesField(message, field, packed);
}
