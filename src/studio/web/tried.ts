import { computed, effect, signal } from '@preact/signals';
import { ApiError, api, type Problem, type Trial } from './api.ts';
import { burstName } from './camera-source.ts';
import { messages } from './messages.ts';
import { board, classNames, notify, saved, status, tellError } from './store.ts';
import { tellDone } from './undoable.tsx';
import { type Incoming, type Target, uploadPictures } from './upload.ts';

/** A picture that is tried. */
export interface Tried {
  readonly key: number;
  readonly name: string;
  readonly picture: Blob;
  readonly url: string;
  /** The program's preview is shown, because the browser does not support the format. */
  readonly isDecoded?: boolean;
  /** Neither the browser nor the program can show it. */
  readonly isBroken?: boolean;
}

/** The answer to a tried picture. */
type Told = { readonly trial: Trial } | { readonly problem: Problem };

/** Largest number of tried pictures. Each is classified again whenever another classifier replaces the present one. */
const MOST_TRIED = 100;

export const tried = signal<readonly Tried[]>([]);
export const answers = signal<ReadonlyMap<number, Told>>(new Map());
/** Whether frames of the camera are tried. */
export const isLive = signal(false);
const shown = signal<number | undefined>(undefined);
/** The latest frame of the camera that has an answer, and the answer. */
const frame = signal<{ readonly told: Told; readonly picture: Blob } | undefined>(undefined);

/** The selected picture, and its answer. */
export const current = computed(() => tried.value.find(({ key }) => key === shown.value));
export const told = computed(() => (isLive.value ? frame.value?.told : answers.value.get(shown.value ?? -1)));

let keys = 0;

/** Tries pictures, in place of those before. */
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

/** Shows the program's preview of a picture that the browser cannot show. */
export async function decodeTried(key: number): Promise<void> {
  const one = tried.value.find((other) => other.key === key);
  // Every image element of the picture reports the failure.
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

/** URLs that could not be shown, by picture. */
const decoding = new Map<number, string>();

export function show(key: number): void {
  shown.value = key;
}

/** The frame that the present answer is about; undefined if no frames are tried. */
export const liveFrame = (): Blob | undefined => (isLive.peek() ? frame.peek()?.picture : undefined);

/** Adds a tried picture to a class as an example. */
export async function keepTried(
  { name, picture }: Pick<Tried, 'name' | 'picture'>,
  classId: string,
): Promise<void> {
  await keepOne({ path: name, file: picture }, { classId });
}

/** Adds a frame of the camera to a class. All frames that a class gets before the camera is switched off are one burst. */
export async function keepFrame(file: Blob, classId: string): Promise<void> {
  await keepOne({ path: `${burstName()}.jpg`, file }, { classId, group: `${liveSince} ${classId}` });
}

async function keepOne(picture: Incoming, target: Target): Promise<void> {
  const before = board.value.pictures.size;
  await uploadPictures([picture], target);
  if (board.value.pictures.size > before)
    tellDone(messages.value.try.taught(classNames.value.get(target.classId ?? '') ?? ''), 'try');
}

/** Begins to try frames of the camera, or stops. */
export function switchLive(): void {
  const next = !isLive.value;
  tryPictures([]);
  liveSince = `live ${burstName()}`;
  isLive.value = next;
}

/** Names the time when the camera was switched on. */
let liveSince = '';

const serial = computed(() => status.value?.answering?.serial);
/** The tried pictures without the state of their previews, which does not affect answers. */
const keysTried = computed(() => tried.value.map(({ key }) => key).join(' '));
let rounds = 0;

/** Classifies every picture when it is added, and again whenever the classifier is replaced. */
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

/** Classifies the pictures, the selected one first. The next round stops this one. */
async function askAll(round: number): Promise<void> {
  const first = shown.peek();
  const order = tried.peek().toSorted((a, b) => Number(b.key === first) - Number(a.key === first));
  for (const { key, picture } of order) {
    const before = answers.peek().get(key);
    // A file that could not be read before is not tried again.
    if (before && 'problem' in before) continue;
    const answer = await ask(picture);
    if (round !== rounds || !answer) return;
    answers.value = new Map([...answers.peek(), [key, answer]]);
  }
}

/** Classifies the present frame of the camera. */
export async function askFrame(picture: Blob): Promise<void> {
  const answer = await ask(picture);
  if (answer && isLive.peek()) frame.value = { told: answer, picture };
}

/** The answer; undefined if the program does not answer or has no classifier. */
async function ask(picture: Blob): Promise<Told | undefined> {
  try {
    return { trial: await api.try(picture) };
  } catch (error) {
    if (!(error instanceof ApiError)) tellError(error);
    else if (error.problem.code !== 'studio/nothing-taught') return { problem: error.problem };
    return undefined;
  }
}
