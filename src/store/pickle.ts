/** A class or function that a pickle names. It is never imported. */
interface PickleGlobal {
  readonly module: string;
  readonly name: string;
}

/** A call or an object of a pickle: the called class or function with its arguments, and the state that it is given afterwards. */
export interface PickleObject {
  readonly global: PickleGlobal;
  readonly args: readonly PickleValue[];
  state?: PickleValue;
}

export type PickleValue =
  | null
  | boolean
  | number
  | string
  | Uint8Array
  | PickleValue[]
  | Map<PickleValue, PickleValue>
  | { readonly reference: PickleValue }
  | PickleGlobal
  | PickleObject;

/**
 * Reads a pickle of protocols 2 to 5 without running it: calls and objects are returned as they are written. Known are the operations that
 * PyTorch writes, and those of plain data and NumPy's arrays. Texts of Python 2 are bytes; as keys, they are read as Latin-1. `fail` is
 * called with a reason for any other operation, and for a damaged pickle.
 */
export function parsePickle(pickle: Uint8Array, fail: (why: string) => never): PickleValue {
  const bytes = Buffer.from(pickle.buffer, pickle.byteOffset, pickle.length);
  const stack: PickleValue[] = [];
  const marks: number[] = [];
  const memo = new Map<number, PickleValue>();
  let at = 0;
  const take = (length: number): number => {
    if (at + length > bytes.length) fail('it ends in the middle');
    at += length;
    return at - length;
  };
  const pop = (): PickleValue =>
    stack.length > 0 ? (stack.pop() as PickleValue) : fail('its stack is empty');
  const top = (): PickleValue =>
    stack.length > 0 ? (stack.at(-1) as PickleValue) : fail('its stack is empty');
  const toMark = (): PickleValue[] => stack.splice(marks.pop() ?? fail('a mark is missing'));
  const line = (): string => {
    const end = bytes.indexOf(10, at);
    if (end < 0) fail('it ends in the middle');
    const text = bytes.toString('utf8', at, end);
    at = end + 1;
    return text;
  };
  const raw = (length: number): Uint8Array => pickle.subarray(take(length), at);
  const long = (): number => {
    const length = bytes.readBigUInt64LE(take(8));
    return length > bytes.length ? fail('it ends in the middle') : Number(length);
  };
  const text = (length: number): string => bytes.toString('utf8', take(length), at);
  const recall = (key: number): PickleValue =>
    memo.has(key) ? (memo.get(key) as PickleValue) : fail(`it recalls ${key}, which it did not keep`);
  const pairs = (values: readonly PickleValue[]): void => {
    const target = top();
    const map = target instanceof Map ? target : itemsOf(target);
    if (!map || values.length % 2 === 1) fail('it puts items into something else than a dictionary');
    for (let i = 0; i < values.length; i += 2) map?.set(keyOf(values[i]!), values[i + 1]!);
  };
  const items = (values: readonly PickleValue[]): void => {
    const target = top();
    if (Array.isArray(target)) target.push(...values);
    else fail('it appends to something else than a list');
  };
  const call = (args: PickleValue, callee: PickleValue): PickleObject => {
    if (!Array.isArray(args) || !isGlobal(callee)) return fail('it calls something else than a function');
    return { global: callee, args };
  };

  while (at < bytes.length) {
    const operation = bytes[take(1)]!;
    switch (String.fromCharCode(operation)) {
      case '\x80':
        if (bytes[take(1)]! > 5) fail('its protocol is newer than 5');
        break;
      case '\x95':
        take(8);
        break;
      case '.':
        return pop();
      case '(':
        marks.push(stack.length);
        break;
      case '0':
        pop();
        break;
      case 'N':
        stack.push(null);
        break;
      case '\x88':
        stack.push(true);
        break;
      case '\x89':
        stack.push(false);
        break;
      case 'K':
        stack.push(bytes.readUInt8(take(1)));
        break;
      case 'M':
        stack.push(bytes.readUInt16LE(take(2)));
        break;
      case 'J':
        stack.push(bytes.readInt32LE(take(4)));
        break;
      case '\x8a': {
        const length = bytes[take(1)]!;
        stack.push(longOf(bytes.subarray(take(length), at), fail));
        break;
      }
      case 'G':
        stack.push(bytes.readDoubleBE(take(8)));
        break;
      case 'X':
        stack.push(text(bytes.readUInt32LE(take(4))));
        break;
      case '\x8c':
        stack.push(text(bytes.readUInt8(take(1))));
        break;
      case 'U':
      case 'C':
        stack.push(raw(bytes.readUInt8(take(1))));
        break;
      case 'T':
      case 'B':
        stack.push(raw(bytes.readUInt32LE(take(4))));
        break;
      case '\x8e':
      case '\x96':
        stack.push(raw(long()));
        break;
      case ']':
      case ')':
        stack.push([]);
        break;
      case '}':
        stack.push(new Map());
        break;
      case 't':
      case 'l':
        stack.push(toMark());
        break;
      case '\x85':
        stack.push([pop()]);
        break;
      case '\x86':
        stack.push([pop(), pop()].reverse());
        break;
      case '\x87':
        stack.push([pop(), pop(), pop()].reverse());
        break;
      case 'a':
        items([pop()]);
        break;
      case 'e':
        items(toMark());
        break;
      case 's':
        pairs([pop(), pop()].reverse());
        break;
      case 'u':
        pairs(toMark());
        break;
      case 'q':
        memo.set(bytes.readUInt8(take(1)), top());
        break;
      case 'r':
        memo.set(bytes.readUInt32LE(take(4)), top());
        break;
      case '\x94':
        memo.set(memo.size, top());
        break;
      case 'h':
        stack.push(recall(bytes.readUInt8(take(1))));
        break;
      case 'j':
        stack.push(recall(bytes.readUInt32LE(take(4))));
        break;
      case 'c':
        stack.push({ module: line(), name: line() });
        break;
      case '\x93': {
        const [name, module] = [pop(), pop()];
        if (typeof name !== 'string' || typeof module !== 'string') return fail('a name is not a text');
        stack.push({ module, name });
        break;
      }
      case 'R':
      case '\x81':
        stack.push(call(pop(), pop()));
        break;
      case 'b': {
        const state = pop();
        const target = top();
        if (!isObject(target)) return fail('it gives a state to something else than an object');
        target.state = state;
        break;
      }
      case 'Q':
        stack.push({ reference: pop() });
        break;
      default:
        fail(`its operation 0x${operation.toString(16)} at byte ${at - 1} is not supported`);
    }
  }
  return fail('it does not end');
}

const keyOf = (key: PickleValue) => (key instanceof Uint8Array ? latin(key) : key);

/** Bytes as Latin-1, in which Python 2 and the version 2 of pickles write them. */
export function latin(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString('latin1');
}

export function isObject(value: PickleValue): value is PickleObject {
  return value !== null && typeof value === 'object' && 'global' in value;
}

function isGlobal(value: PickleValue): value is PickleGlobal {
  return value !== null && typeof value === 'object' && 'module' in value;
}

/** An ordered dictionary is written as a call whose items follow. */
function itemsOf(value: PickleValue): Map<PickleValue, PickleValue> | undefined {
  if (!isObject(value) || value.global.name !== 'OrderedDict') return undefined;
  if (!(value.state instanceof Map)) value.state = new Map();
  return value.state;
}

/** An integer of any length, in two's complement, little-endian. */
function longOf(bytes: Buffer, fail: (why: string) => never): number {
  let value = 0n;
  for (const [i, byte] of bytes.entries()) value |= BigInt(byte) << BigInt(8 * i);
  if (bytes.length > 0 && bytes.at(-1)! >= 128) value -= 1n << BigInt(8 * bytes.length);
  const number = Number(value);
  return Number.isSafeInteger(number) ? number : fail('a number is too large');
}
