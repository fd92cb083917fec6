import { type Zippable, zipSync } from 'fflate';
import type { Tensor } from '../math/tensor.ts';

/** The operations of a pickle. */
export const text = (value: string) =>
  Buffer.concat([Buffer.of(0x58, value.length, 0, 0, 0), Buffer.from(value)]);
export const global = (name: string) => Buffer.from(`c${name.replace(/\.(\w+)$/, '\n$1')}\n`);
export const dictionary = (...items: Buffer[]) =>
  Buffer.concat([Buffer.from('}('), ...items, Buffer.from('u')]);

function integer(value: number): Buffer {
  const bytes = Buffer.of(0x4a, 0, 0, 0, 0);
  bytes.writeInt32LE(value, 1);
  return bytes;
}
const numbers = (values: readonly number[]) =>
  Buffer.concat([Buffer.from('('), ...values.map(integer), Buffer.from('t')]);

interface Stored {
  readonly shape: readonly number[];
  readonly strides: readonly number[];
  readonly offset?: number;
  readonly callee?: string;
  readonly storage?: string;
}

/** A call of `_rebuild_tensor_v2` for float32 numbers. */
export function tensorCall({
  shape,
  strides,
  offset = 0,
  callee = 'torch._utils._rebuild_tensor_v2',
  storage = '0',
}: Stored): Buffer {
  const place = [text('storage'), global('torch.FloatStorage'), text(storage), text('cpu'), integer(6)];
  return Buffer.concat([
    global(callee),
    Buffer.from('(('),
    ...place,
    Buffer.from('tQ'),
    integer(offset),
    numbers(shape),
    numbers(strides),
    Buffer.of(0x89),
    Buffer.from(')tR'),
  ]);
}

/** A zip of a pickled value and further files, each stored at a multiple of 64 bytes, as PyTorch does. */
export function torchArchive(value: Buffer, files: Readonly<Record<string, Uint8Array>>): Uint8Array {
  const pickle = Buffer.concat([Buffer.of(0x80, 2), value, Buffer.from('.')]);
  const entries: Zippable = {};
  let at = 0;
  for (const [name, bytes] of Object.entries({ 'm/data.pkl': pickle, ...files })) {
    const padding = new Uint8Array(-(at + 30 + name.length + 4) & 63);
    at += 30 + name.length + 4 + padding.length + bytes.length;
    entries[name] = [bytes, { level: 0, extra: { 16966: padding } }];
  }
  return zipSync(entries);
}

/** A state dictionary of float32 tensors. */
export function stateDictionary(tensors: Readonly<Record<string, Tensor>>): Uint8Array {
  const all = Object.entries(tensors);
  const calls = all.flatMap(([name, { shape }], i) => {
    const strides = shape.map((_, axis) => shape.slice(axis + 1).reduce((n, size) => n * size, 1));
    return [text(name), tensorCall({ shape, strides, storage: String(i) })];
  });
  const storages = all.map(([, { data }], i) => [
    `m/data/${i}`,
    new Uint8Array(data.buffer, data.byteOffset, data.byteLength),
  ]);
  return torchArchive(dictionary(...calls), Object.fromEntries(storages));
}
