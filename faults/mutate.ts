import type { Random } from '../src/math/random.ts';

export const pick = <T>(random: Random, items: readonly T[]): T => items[random.integer(items.length)]!;

/** Boundary values of integers. */
const EDGES = [0, 1, 2, 0x7f, 0x80, 0xff, 0x7fff, 0x8000, 0xffff, 0x7fff_ffff, 0x8000_0000, 0xffff_ffff];

type ByteChange = (bytes: Buffer, random: Random) => Buffer;

/** A range of the bytes: mostly short, sometimes of any length. */
function span(bytes: Buffer, random: Random): [from: number, to: number] {
  const from = random.integer(bytes.length + 1);
  const longest = random.integer(4) ? 16 : bytes.length;
  return [from, Math.min(bytes.length, from + 1 + random.integer(Math.max(1, longest)))];
}

const BYTE_CHANGES: readonly ByteChange[] = [
  (bytes, random) => {
    if (bytes.length > 0) bytes[random.integer(bytes.length)]! ^= 1 << random.integer(8);
    return bytes;
  },
  (bytes, random) => {
    const [from, to] = span(bytes, random);
    return bytes.fill(random.integer(256), from, to);
  },
  (bytes, random) => {
    const [from, to] = span(bytes, random);
    for (let i = from; i < to; i++) bytes[i] = random.integer(256);
    return bytes;
  },
  (bytes, random) => {
    const size = pick(random, [1, 2, 4]);
    if (bytes.length < size) return bytes;
    const value = pick(random, EDGES) % 2 ** (8 * size);
    const at = random.integer(bytes.length - size + 1);
    random.integer(2) ? bytes.writeUIntLE(value, at, size) : bytes.writeUIntBE(value, at, size);
    return bytes;
  },
  (bytes, random) => bytes.subarray(0, random.integer(bytes.length + 1)),
  (bytes, random) => {
    const [from, to] = span(bytes, random);
    return Buffer.concat([bytes.subarray(0, from), bytes.subarray(to)]);
  },
  (bytes, random) => {
    const [from, to] = span(bytes, random);
    return Buffer.concat([bytes.subarray(0, to), bytes.subarray(from)]);
  },
  (bytes, random) => {
    const [from, to] = span(bytes, random);
    const at = random.integer(bytes.length + 1);
    return Buffer.concat([bytes.subarray(0, at), bytes.subarray(from, to), bytes.subarray(at)]);
  },
];

/** A copy of the bytes with one to four changes: bits, runs, edges of integers, cuts, repetitions, pieces moved. */
export function mutateBytes(bytes: Uint8Array, random: Random): Buffer {
  let mutant: Buffer = Buffer.from(bytes);
  for (let changes = 1 + random.integer(4); changes > 0; changes--) {
    mutant = pick(random, BYTE_CHANGES)(mutant, random);
  }
  return mutant;
}

/** Replacement values for fields. */
export const ODD_VALUES: readonly unknown[] = [
  null,
  true,
  false,
  0,
  -1,
  0.5,
  1e308,
  2 ** 31,
  2 ** 53,
  -(2 ** 63),
  '',
  '0',
  'NaN',
  '__proto__',
  '../../etc/passwd',
  '\u0000',
  'a'.repeat(70_000),
  '\u202e\u200b',
  [],
  [[[[]]]],
  {},
  { toString: 1 },
  Array(1000).fill(0),
];

type Json = Record<string, unknown> | unknown[];

/** Every container in a JSON value. */
function containers(value: unknown): Json[] {
  if (typeof value !== 'object' || value === null) return [];
  return [value as Json, ...Object.values(value).flatMap(containers)];
}

/** A copy of a JSON value with one to three fields replaced, removed, renamed, doubled or exchanged. */
export function mutateJson<T>(value: T, random: Random): T {
  const mutant = { root: structuredClone(value) as unknown };
  for (let changes = 1 + random.integer(3); changes > 0; changes--) changeOne(mutant, random);
  return mutant.root as T;
}

function changeOne(mutant: { root: unknown }, random: Random): void {
  const filled = containers(mutant).filter((inside) => Object.keys(inside).length > 0);
  const inside = pick(random, filled) as Record<string, unknown>;
  const key = pick(random, Object.keys(inside));
  const held = inside[key];
  switch (random.integer(8)) {
    case 0:
      if (Array.isArray(inside)) inside.splice(Number(key), 1);
      else if (inside !== mutant) delete inside[key];
      break;
    case 1:
      if (Array.isArray(inside)) inside.push(structuredClone(held));
      else inside[`${key} `] = structuredClone(held);
      break;
    case 2:
      inside[key] = structuredClone(pick(random, Object.values(pick(random, filled))));
      break;
    case 3:
      if (typeof held === 'number') inside[key] = held + pick(random, [-1, 1, 0.5, -2 * held, held]);
      else if (typeof held === 'string') inside[key] = mutateText(held, random);
      else inside[key] = [held];
      break;
    default:
      inside[key] = structuredClone(pick(random, ODD_VALUES));
  }
}

const ODD_TEXTS = [
  '',
  ',',
  ';',
  '\t',
  '"',
  '""',
  '\n',
  '\r',
  '\r\n',
  '\u0000',
  '\ufeff',
  '\u2028',
  '\u202e',
  '\ud800',
  '/',
  '..',
  '\\',
  '{',
  '}',
  '[',
  ']',
  '-',
  '1e999',
  '\u001b]52;c;eA==\u0007',
];

/** A text with one to three places cut, repeated, exchanged, or replaced by text that is difficult for parsers. */
export function mutateText(text: string, random: Random): string {
  let mutant = text;
  for (let changes = 1 + random.integer(3); changes > 0; changes--) {
    const from = random.integer(mutant.length + 1);
    const to = Math.min(mutant.length, from + random.integer(random.integer(4) ? 8 : mutant.length + 1));
    const [before, piece, after] = [mutant.slice(0, from), mutant.slice(from, to), mutant.slice(to)];
    mutant = pick(random, [
      () => before + after,
      () => before + piece + piece + after,
      () => after + piece + before,
      () => before + pick(random, ODD_TEXTS) + after,
      () => before + pick(random, ODD_TEXTS) + piece + after,
      () => before + String.fromCharCode(random.integer(0x300)) + after,
    ])();
  }
  return mutant;
}
