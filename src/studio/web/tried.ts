import { computed, effect, signal } from '@preact/signals';
import { ApiError, api, type Problem, type Trial } from './api.ts';
import { board, notify, saved, status, tellError } from './store.ts';
import { type Incoming, uploadPictures } from './upload.ts';

/** A picture that the classifier is shown. */
export interface Tried {
  readonly key: number;
  readonly name: string;
  readonly picture: Blob;
  readonly url: string;
  /** The program's own copy is shown, for the browser does not know the kind of file. */
  readonly isDecoded?: boolean;
  /** Neither can show it. */
  readonly isBroken?: boolean;
}

/** What was said of it. */
type Told = { readonly trial: Trial } | { readonly problem: Problem };

/** Pictures beyond are not taken: each is asked about whenever another classifier takes over. */
const MOST_TRIED = 100;

export const tried = signal<readonly Tried[]>([]);
export const answers = signal<ReadonlyMap<number, Told>>(new Map());
/** Whether the camera is asked about. */
export const isLive = signal(false);
const shown = signal<number | undefined>(undefined);
const frame = signal<Told | undefined>(undefined);

/** The picture whose answer is shown, and that answer. */
export const current = computed(() => tried.value.find(({ key }) => key === shown.value));
export const told = computed(() => (isLive.value ? frame.value : answers.value.get(shown.value ?? -1)));

let keys = 0;

/** Shows the classifier pictures, in place of those before. */
export function tryPictures(files: readonly Incoming[]): void {
  isLive.value = false;
  frame.value = undefined;
  answers.value = new Map();
  for (const { url } of tried.peek()) URL.revokeObjectURL(url);
  if (files.length > MOST_TRIED) notify({ kind: 'tried', count: MOST_TRIED });
  tried.value = files.slice(0, MOST_TRIED).map(({ path, file }) => {
    const url = URL.createObjectURL(file);
    return { key: ++keys, name: path.split('/').at(-1) ?? path, picture: file, url };
  });
  shown.value = tried.value[0]?.key;
}

/** Shows a picture that the browser cannot as the program decodes it. */
export async function decodeTried(key: number): Promise<void> {
  const one = tried.value.find((other) => other.key === key);
  // Each place that shows it tells.
  if (!one || one.url === decoding.get(key)) return;
  decoding.set(key, one.url);
  const replace = (change: Partial<Tried>) => {
    tried.value = tried.value.map((other) => (other.key === key ? { ...other, ...change } : other));
  };
  const decoded = one.isDecoded ? undefined : await api.preview(one.picture).catch(() => undefined);
  if (!decoded) return replace({ isBroken: true });
  URL.revokeObjectURL(one.url);
  replace({ url: URL.createObjectURL(decoded), isDecoded: true });
}

/** Addresses that could not be shown, by picture. */
const decoding = new Map<number, string>();

export function show(key: number): void {
  shown.value = key;
}

/** Puts a picture that was tried into a class: from then on it is an example. */
export async function keepTried({ name, picture }: Tried, classId: string): Promise<void> {
  await uploadPictures([{ path: name, file: picture }], { classId });
}

const serial = computed(() => status.value?.answering?.serial);
/** How a picture is shown is no matter of what is asked about. */
const keysTried = computed(() => tried.value.map(({ key }) => key).join(' '));
let rounds = 0;

/** Every picture is asked about when it comes, and again whenever someone else answers. */
effect(() => {
  const round = ++rounds;
  if (serial.value === undefined || keysTried.value === '') return;
  void saved().then(() => askAll(round));
});

/** Things of the sample that can be tried: those whose pictures are on the board. */
export const samples = signal<readonly string[]>([]);
const isSample = computed(() =>
  [...board.value.pictures.values()].some(({ name }) => name.endsWith(' noto.png')),
);
effect(() => {
  if (!isSample.value) samples.value = [];
  else
    void api.samples().then((things) => {
      samples.value = things;
    }, tellError);
});

/** Asks about the one that is shown first; gives way to the next round. */
async function askAll(round: number): Promise<void> {
  const first = shown.peek();
  const order = tried.peek().toSorted((a, b) => Number(b.key === first) - Number(a.key === first));
  for (const { key, picture } of order) {
    const before = answers.peek().get(key);
    // What was no picture a moment ago is none now.
    if (before && 'problem' in before) continue;
    const answer = await ask(picture);
    if (round !== rounds || !answer) return;
    answers.value = new Map([...answers.peek(), [key, answer]]);
  }
}

/** Asks about what the camera shows. */
export async function askFrame(picture: Blob): Promise<void> {
  const answer = await ask(picture);
  if (answer && isLive.peek()) frame.value = answer;
}

/** Undefined where the program does not answer, or has nothing to choose between. */
async function ask(picture: Blob): Promise<Told | undefined> {
  try {
    return { trial: await api.try(picture) };
  } catch (error) {
    if (!(error instanceof ApiError)) tellError(error);
    else if (error.problem.code !== 'studio/nothing-taught') return { problem: error.problem };
    return undefined;
  }
}
