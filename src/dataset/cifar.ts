import { posix } from 'node:path';
import { isObject, latin, type PickleValue, parsePickle } from '../store/pickle.ts';
import { count } from '../words.ts';
import type { LabelledFile, Layout } from './dataset-layout.ts';
import { damagedArray, rawPicture, readOnce } from './raw-pictures.ts';
import { decodeText } from './text-files.ts';
import type { SourceFile, Tree } from './tree.ts';
import type { Split } from './types.ts';

const SIDE = 32;
const PLANE = SIDE * SIDE;
const PIXELS = 3 * PLANE;

/** Files of CIFAR-10 and CIFAR-100 (Krizhevsky 2009; cs.toronto.edu/~kriz/cifar.html). */
const BATCH = /^(data_batch_\d+|test_batch|train|test)(\.bin)?$/;

/** CIFAR-10 and CIFAR-100 in the binary and in the Python version. */
export const cifarLayout: Layout = {
  id: 'cifar',
  about:
    'CIFAR-10 or CIFAR-100: data_batch_1 and test_batch, or train and test, in the binary or the Python version',
  async read(tree) {
    const about = await namesIn(tree);
    if (!about) return undefined;
    const { file: meta, names, isPython } = about;
    const batches = tree.files.filter(
      ({ path }) => posix.dirname(path) === posix.dirname(meta.path) && isBatch(path, isPython),
    );
    if (batches.length === 0) return undefined;
    const pictures: LabelledFile[] = [];
    for (const file of batches)
      pictures.push(...(isPython ? await pickledBatch(file, names) : await binaryBatch(file, names)));
    const hundred = names.length > 10;
    return {
      pictures,
      classIds: names,
      order: names,
      layout: `${hundred ? 'CIFAR-100' : 'CIFAR-10'} (${isPython ? 'Python' : 'binary'} version)`,
      isListed: true,
      files: [
        ...batches,
        ...tree.files.filter(({ path }) =>
          /(^|\/)((coarse|fine)_label_names\.txt|batches\.meta(\.txt)?|meta|readme\.html)$/.test(path),
        ),
      ],
    };
  },
};

function isBatch(path: string, isPython: boolean): boolean {
  const name = posix.basename(path);
  return BATCH.test(name) && name.endsWith('.bin') !== isPython;
}

/** The names of the classes in their order, and the version that they belong to. */
async function namesIn(
  tree: Tree,
): Promise<{ file: SourceFile; names: string[]; isPython: boolean } | undefined> {
  if (tree.table) return undefined;
  const named = (pattern: RegExp) => tree.files.find(({ path }) => pattern.test(path));
  const text = named(/(^|\/)(batches\.meta\.txt|fine_label_names\.txt)$/);
  if (text) {
    const lines = decodeText(await text.read(), text.path).split(/\r?\n/);
    return { file: text, names: lines.map((line) => line.trim()).filter(Boolean), isPython: false };
  }
  const meta = named(/(^|\/)(batches\.meta|meta)$/);
  if (!meta) return undefined;
  const value = pickleIn(meta, await meta.read());
  const names = value.get('fine_label_names') ?? value.get('label_names');
  if (!Array.isArray(names)) throw damagedArray(meta, 'CIFAR', 'it has no label_names');
  return {
    file: meta,
    names: names.map((name) => (name instanceof Uint8Array ? latin(name) : String(name))),
    isPython: true,
  };
}

/** Records of one byte for the class (two in CIFAR-100, the second of them the fine class), then three planes of pixels. */
async function binaryBatch(file: SourceFile, names: readonly string[]): Promise<LabelledFile[]> {
  const bytes = readOnce(file);
  const all = await bytes();
  const labels = names.length > 10 ? 2 : 1;
  const record = labels + PIXELS;
  if (all.length === 0 || all.length % record !== 0)
    throw damagedArray(
      file,
      'CIFAR',
      `its size of ${count(all.length, 'byte')} is not a multiple of the size of a record, ${record}`,
    );
  return Array.from({ length: all.length / record }, (_, i) => {
    const at = i * record;
    const rgb = async () => interleaved((await bytes()).subarray(at + labels, at + record));
    return labelled(file, i, names, all[at + labels - 1]!, rgb);
  });
}

async function pickledBatch(file: SourceFile, names: readonly string[]): Promise<LabelledFile[]> {
  const batch = pickleIn(file, await file.read());
  const labels = batch.get('fine_labels') ?? batch.get('labels');
  const bytes = bytesOf(batch.get('data') ?? null);
  if (!Array.isArray(labels) || !bytes)
    throw damagedArray(file, 'CIFAR', 'it has no labels, or no data of bytes');
  if (bytes.length !== labels.length * PIXELS)
    throw damagedArray(
      file,
      'CIFAR',
      `it has ${count(labels.length, 'label')}, and ${count(bytes.length, 'byte')} of pixels`,
    );
  return labels.map((label, i) =>
    labelled(file, i, names, Number(label), async () =>
      interleaved(bytes.subarray(i * PIXELS, (i + 1) * PIXELS)),
    ),
  );
}

function labelled(
  file: SourceFile,
  i: number,
  names: readonly string[],
  number: number,
  rgb: () => Promise<Uint8Array>,
): LabelledFile {
  const label = names[number];
  if (label === undefined)
    throw damagedArray(
      file,
      'CIFAR',
      `picture ${i} is of class ${number}, and the classes are 0 to ${names.length - 1}`,
    );
  const split: Split = /test/.test(posix.basename(file.path)) ? 'test' : 'train';
  return { file: rawPicture(file, i, [SIDE, SIDE], rgb), label, split };
}

/** Interleaves planes of red, green and blue into three bytes for each pixel. */
function interleaved(planes: Uint8Array): Uint8Array {
  return Uint8Array.from({ length: PIXELS }, (_, i) => planes[(i % 3) * PLANE + Math.floor(i / 3)]!);
}

/** The bytes of an array of NumPy of unsigned bytes, as a pickle describes it. */
function bytesOf(value: PickleValue): Uint8Array | undefined {
  if (!isObject(value)) return undefined;
  const { global, args, state } = value;
  // _frombuffer(bytes, type, shape, order), or _reconstruct(…) with the state (version, shape, type, order, bytes).
  const [type, data] =
    global.name === '_frombuffer' ? [args[1], args[0]] : Array.isArray(state) ? [state[2], state[4]] : [];
  const named = type !== undefined && isObject(type) ? type.args[0] : undefined;
  const name = named instanceof Uint8Array ? latin(named) : named;
  if (name !== 'u1' && name !== '|u1') return undefined;
  if (data instanceof Uint8Array) return data;
  // Protocol 2 writes bytes as the call encode(text, 'latin1').
  const [text] = data !== undefined && isObject(data) && data.global.name === 'encode' ? data.args : [];
  return typeof text === 'string' ? Buffer.from(text, 'latin1') : undefined;
}

function pickleIn(file: SourceFile, bytes: Uint8Array): Map<PickleValue, PickleValue> {
  const value = parsePickle(bytes, (why) => {
    throw damagedArray(file, 'CIFAR', `as a pickle, ${why}`);
  });
  if (value instanceof Map) return value;
  throw damagedArray(file, 'CIFAR', 'it is not a pickle of a dict');
}
