/** An array of NumPy: its bytes, and the name of its number type, such as `u1`. */
export interface NumpyArray {
  type?: string;
  bytes: Uint8Array;
}

/** The content of a pickle of plain data. Texts of Python 2 are read as Latin-1. */
export type Pickled = unknown;

/** Functions that NumPy's arrays are written with. They are known here by name and never called in Python. */
const KNOWN: Readonly<Record<string, (args: readonly unknown[]) => unknown>> = {
  _reconstruct: (): NumpyArray => ({ bytes: new Uint8Array() }),
  _frombuffer: ([bytes, type]): NumpyArray => ({
    bytes: bytes as Uint8Array,
    type: (type as { dtype?: string })?.dtype,
  }),
  dtype: ([name]) => ({ dtype: String(textOf(name)) }),
  encode: ([text]) => Uint8Array.from(String(text), (letter) => letter.charCodeAt(0)),
};

/** A marker on the stack. */
const MARK = Symbol('mark');

/**
 * The value of a pickle (protocols 2 to 5) of dicts, lists, texts, numbers, bytes and NumPy arrays. No code in it is run. Throws an `Error`
 * that says what is not supported.
 */
export function unpickle(bytes: Uint8Array): Pickled {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const stack: unknown[] = [];
  const memo: unknown[] = [];
  let at = 0;
  const take = (n: number) => {
    if (at + n > bytes.length) throw new Error('it is cut short');
    at += n;
    return bytes.subarray(at - n, at);
  };
  const number = (width: 1 | 2 | 4 | 8) => {
    take(width);
    if (width === 1) return view.getUint8(at - 1);
    if (width === 2) return view.getUint16(at - 2, true);
    return width === 4 ? view.getUint32(at - 4, true) : Number(view.getBigUint64(at - 8, true));
  };
  const line = () => {
    const end = bytes.indexOf(10, at);
    const text = latin(take(end < 0 ? Number.POSITIVE_INFINITY : end - at));
    at++;
    return text;
  };
  const pop = () => {
    if (stack.length === 0) throw new Error('its stack is empty');
    return stack.pop();
  };
  const top = () => stack[stack.length - 1];
  const sinceMark = () => {
    const start = stack.lastIndexOf(MARK);
    if (start < 0) throw new Error('a mark is missing');
    const items = stack.splice(start).slice(1);
    return items;
  };
  const known = (name: string) => {
    const make = Object.hasOwn(KNOWN, name) ? KNOWN[name] : undefined;
    // A class of numpy is only named as an argument.
    return make ?? name;
  };
  const set = (pairs: readonly unknown[]) => {
    const target = top();
    if (!(target instanceof Map)) throw new Error('an entry has no dict');
    for (let i = 0; i + 1 < pairs.length; i += 2) target.set(textOf(pairs[i]), pairs[i + 1]);
  };
  const append = (items: readonly unknown[]) => {
    const target = top();
    if (!Array.isArray(target)) throw new Error('an item has no list');
    for (const item of items) target.push(item);
  };
  for (;;) {
    const code = String.fromCharCode(number(1));
    switch (code) {
      case '.':
        return pop();
      case '\x80':
        take(1);
        break;
      case '\x95':
        take(8);
        break;
      case '(':
        stack.push(MARK);
        break;
      case '}':
        stack.push(new Map());
        break;
      case ']':
      case ')':
        stack.push([]);
        break;
      case 'q':
        memo[number(1)] = top();
        break;
      case 'r':
        memo[number(4)] = top();
        break;
      case '\x94':
        memo.push(top());
        break;
      case 'h':
        stack.push(memo[number(1)]);
        break;
      case 'j':
        stack.push(memo[number(4)]);
        break;
      case 'U':
      case 'C':
        stack.push(take(number(1)));
        break;
      case 'T':
      case 'B':
        stack.push(take(number(4)));
        break;
      case '\x8e':
      case '\x96':
        stack.push(take(number(8)));
        break;
      case '\x8c':
        stack.push(utf8(take(number(1))));
        break;
      case 'X':
        stack.push(utf8(take(number(4))));
        break;
      case 'J':
        stack.push(number(4) | 0);
        break;
      case 'K':
        stack.push(number(1));
        break;
      case 'M':
        stack.push(number(2));
        break;
      case '\x8a':
        stack.push(take(number(1)).reduceRight((sum, byte) => 256 * sum + byte, 0));
        break;
      case 'G':
        take(8);
        stack.push(view.getFloat64(at - 8));
        break;
      case 'N':
        stack.push(null);
        break;
      case '\x88':
      case '\x89':
        stack.push(code === '\x88');
        break;
      case 't':
        stack.push(sinceMark());
        break;
      case '\x85':
      case '\x86':
      case '\x87': {
        const n = code.charCodeAt(0) - 0x84;
        stack.push(stack.splice(Math.max(stack.length - n, 0)));
        break;
      }
      case 'c': {
        line();
        stack.push(known(line()));
        break;
      }
      case '\x93': {
        const name = pop();
        pop();
        stack.push(known(String(name)));
        break;
      }
      case 'R': {
        const [args, make] = [pop(), pop()];
        if (typeof make !== 'function') throw new Error(`it needs ${String(make)} of Python`);
        stack.push(make(args as unknown[]));
        break;
      }
      case 'b': {
        const state = pop();
        const target = top() as Partial<NumpyArray> & { dtype?: string };
        // Only the byte order in the state of a type would matter, and single bytes have none.
        if (target?.bytes instanceof Uint8Array && Array.isArray(state)) {
          target.type = (state[2] as { dtype?: string })?.dtype;
          target.bytes = state[4] as Uint8Array;
        }
        break;
      }
      case 's': {
        const value = pop();
        set([pop(), value]);
        break;
      }
      case 'u':
        set(sinceMark());
        break;
      case 'a':
        append([pop()]);
        break;
      case 'e':
        append(sinceMark());
        break;
      default:
        throw new Error(`it has the unknown opcode 0x${code.charCodeAt(0).toString(16)} at byte ${at - 1}`);
    }
  }
}

const latin = (bytes: Uint8Array) =>
  Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString('latin1');
const utf8 = (bytes: Uint8Array) =>
  Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString('utf8');

/** Python 2 writes texts as bytes. */
export function textOf(value: unknown): unknown {
  return value instanceof Uint8Array && value.length < 1000 ? latin(value) : value;
}
