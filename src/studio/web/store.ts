import { batch, computed, effect, signal } from '@preact/signals';
import { type Board, boardFromJson, type Command, EMPTY_BOARD } from '../board.ts';
import { applyChange, beginHistory, type Change } from '../history.ts';
import { ApiError, api, type CheckReport, type MethodFacts, type Problem, type Status } from './api.ts';

/** The board that the page shows: the program's board with the changes that the program does not have yet. */
export const board = signal<Board>(EMPTY_BOARD);
export const status = signal<Status | undefined>(undefined);
export const check = signal<CheckReport | undefined>(undefined);
export const methods = signal<readonly MethodFacts[]>([]);
/** Whether the program does not answer. Changes then wait in this page. */
export const isCut = signal(false);
export const ready = signal(false);
/** Whether the browser may remove what the page has stored. */
export const mayBeRemoved = signal(false);

export interface Notice {
  readonly kind:
    | 'problem'
    | 'duplicates'
    | 'unreadable'
    | 'merged'
    | 'tried'
    | 'nothing'
    | 'held-out'
    | 'freed';
  readonly problem?: Problem;
  readonly count?: number;
  readonly size?: string;
  readonly names?: readonly string[];
  readonly files?: readonly { readonly name: string; readonly problem: Problem }[];
}
/** A notice about something that just happened. */
export const notices = signal<readonly Notice[]>([]);

/** Kinds of notices that are not problems, and disappear by themselves. */
export const PASSING: ReadonlySet<Notice['kind']> = new Set([
  'duplicates',
  'merged',
  'tried',
  'nothing',
  'freed',
]);
const PASSING_MS = 10_000;

/** Shows a notice. It replaces an equal one. */
export function notify(notice: Notice): void {
  const text = JSON.stringify(notice);
  const others = notices.value.filter((other) => JSON.stringify(other) !== text);
  notices.value = [...others.slice(-2), notice];
  if (PASSING.has(notice.kind)) setTimeout(() => dismiss(notice), PASSING_MS);
}

export function dismiss(notice: Notice): void {
  notices.value = notices.value.filter((other) => other !== notice);
}

export function tellError(error: unknown): void {
  if (error instanceof ApiError) notify({ kind: 'problem', problem: error.problem });
  else isCut.value = true;
}

/** Hashes of the pictures of each class, in order. The key `''` has the unsorted ones. */
export const picturesByClass = computed(() => {
  const lists = new Map<string, string[]>([
    ['', []],
    ...board.value.classes.map(({ id }) => [id, []] as [string, string[]]),
  ]);
  for (const { hash, classId = '' } of board.value.pictures.values()) lists.get(classId)?.push(hash);
  return lists;
});

export const classNames = computed(() => new Map(board.value.classes.map(({ id, name }) => [id, name])));

let version = 0;
/** Changes that the program does not have yet, in order: those being sent, then those that wait. */
let travelling: Change[] = [];
const waiting: Change[] = [];
let sending: Promise<void> | undefined;
/** Number of changes that wait while the program does not answer. */
export const unsaved = signal(0);

/** Number of changes made on this page so far, with undo and redo. */
export const changesMade = signal(0);

/** Changes the board, first in this page and then in the program. Commands of the same `step` are undone together. */
export function perform(command: Command, step?: string): void {
  enqueue({ command, step });
  board.value = changed(board.value, { command, step });
}

export function undo(): void {
  void move('undo');
}

export function redo(): void {
  void move('redo');
}

/** Undo and redo are done by the program, whose history remains when the page is closed. */
async function move(direction: 'undo' | 'redo'): Promise<void> {
  if (isCut.value) return;
  enqueue({ move: direction });
  await sending;
  await refresh().catch(tellError);
}

/** Resolves when the program has all changes made so far, or does not answer. */
export async function saved(): Promise<void> {
  await sending;
}

const changed = (to: Board, change: Change): Board => applyChange(beginHistory(to), change).board;

function enqueue(change: Change): void {
  changesMade.value++;
  waiting.push(change);
  send();
}

function send(): void {
  sending ??= sendAll().finally(() => {
    sending = undefined;
    unsaved.value = waiting.length;
  });
}

async function sendAll(): Promise<void> {
  // Changes made at the same time are sent together.
  await Promise.resolve();
  while (waiting.length > 0) {
    const changes = waiting.splice(0, MOST_TOGETHER);
    travelling = changes;
    try {
      ({ version } = await api.change(version, changes));
      travelling = [];
    } catch (error) {
      travelling = [];
      if (error instanceof ApiError && error.status !== 409) {
        // A refused change is not repeated, because it would be refused again.
        tellError(error);
        await refresh().catch(tellError);
        continue;
      }
      // Either another tab changed the board, or the program stopped and may have applied these changes or not. Commands can be
      // repeated: they name pictures and classes, so they mean the same on another board, and have no effect the second time. Undo
      // and redo cannot be repeated.
      waiting.unshift(...changes.filter((change) => 'command' in change));
      if (!(error instanceof ApiError)) {
        tellError(error);
        return;
      }
      await refresh().catch(tellError);
      if (isCut.value) return;
    }
  }
}

/** Largest number of changes that the program accepts in one request. */
const MOST_TOGETHER = 1000;

async function refresh(): Promise<void> {
  const { version: latest, board: json } = await api.board();
  version = latest;
  // The changes being sent may be on that board or not. Repeating them has no effect.
  board.value = [...travelling, ...waiting].reduce(changed, boardFromJson(json));
}

/** Resolves when the program answers. */
export function answering(): Promise<void> {
  return new Promise((resolve) => {
    const stop = effect(() => {
      if (isCut.value) return;
      resolve();
      // An effect cannot dispose itself during its first run.
      queueMicrotask(() => stop());
    });
  });
}

/** Follows the back end while the page is open. */
export function connect(): void {
  api.follow({
    onOpen() {
      void Promise.all([refresh(), api.methods()])
        .then(([, names]) => {
          batch(() => {
            isCut.value = false;
            ready.value = true;
            methods.value = names;
          });
          send();
        })
        .catch(tellError);
    },
    onStatus(next) {
      const before = status.value;
      status.value = next;
      if (next.version > version && !sending) void refresh().catch(tellError);
      if (next.check !== before?.check || (next.check !== undefined && !check.value))
        void readCheck(next.check);
    },
    onCut() {
      isCut.value = true;
    },
    onProblem: (problem) => notify({ kind: 'problem', problem }),
    onStorage(isPromised) {
      mayBeRemoved.value = !isPromised;
    },
  });
}

async function readCheck(serial: number | undefined): Promise<void> {
  check.value = serial === undefined ? undefined : ((await api.check().catch(() => null)) ?? undefined);
}
