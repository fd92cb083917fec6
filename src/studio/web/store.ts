import { batch, computed, signal } from '@preact/signals';
import { type Board, boardFromJson, type Command, EMPTY_BOARD } from '../board.ts';
import { applyChange, beginHistory, type Change } from '../history.ts';
import { ApiError, api, type CheckReport, type MethodName, type Problem, type Status } from './api.ts';

/** The board as the page shows it: ahead of the program by what is on its way. */
export const board = signal<Board>(EMPTY_BOARD);
export const status = signal<Status | undefined>(undefined);
export const check = signal<CheckReport | undefined>(undefined);
export const methods = signal<readonly MethodName[]>([]);
/** The program does not answer: what is done meanwhile would be lost, so nothing can be. */
export const isCut = signal(false);
export const ready = signal(false);

export interface Notice {
  readonly kind: 'done' | 'problem' | 'duplicates' | 'unreadable' | 'merged';
  readonly problem?: Problem;
  readonly count?: number;
  readonly names?: readonly string[];
}
/** What the person should know of what just happened. */
export const notices = signal<readonly Notice[]>([]);

export function notify(notice: Notice): void {
  notices.value = [...notices.value.slice(-3), notice];
}

export function dismiss(notice: Notice): void {
  notices.value = notices.value.filter((other) => other !== notice);
}

export function tellError(error: unknown): void {
  if (error instanceof ApiError) notify({ kind: 'problem', problem: error.problem });
  else isCut.value = true;
}

/** Hashes of the pictures of each class in order; `''` has those that are not sorted yet. */
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
let waiting: Change[] = [];
let sending: Promise<void> | undefined;

/** Changes the board, here at once and in the program right after. Commands of one `step` are undone together. */
export function perform(command: Command, step?: string): void {
  enqueue({ command, step });
  board.value = applyChange(beginHistory(board.value), { command }).board;
}

export function undo(): void {
  void move('undo');
}

export function redo(): void {
  void move('redo');
}

/** The way back is the program's: it outlives this page. */
async function move(direction: 'undo' | 'redo'): Promise<void> {
  enqueue({ move: direction });
  await sending;
  await refresh();
}

/** Resolves when the program has every change made so far. */
export async function saved(): Promise<void> {
  await sending;
}

function enqueue(change: Change): void {
  waiting.push(change);
  sending ??= sendAll().finally(() => {
    sending = undefined;
  });
}

async function sendAll(): Promise<void> {
  // Changes of the same moment travel together.
  await Promise.resolve();
  while (waiting.length > 0) {
    const changes = waiting;
    waiting = [];
    try {
      ({ version } = await api.change(version, changes));
    } catch (error) {
      waiting = [];
      if (!(error instanceof ApiError && error.status === 409)) tellError(error);
      await refresh().catch(tellError);
    }
  }
}

async function refresh(): Promise<void> {
  const { version: latest, board: json } = await api.board();
  version = latest;
  board.value = boardFromJson(json);
}

/** Follows the program for as long as the page is open; finds it again when it was restarted. */
export function connect(): void {
  const events = api.events();
  events.onopen = () => {
    void Promise.all([refresh(), api.methods()])
      .then(([, names]) => {
        batch(() => {
          isCut.value = false;
          ready.value = true;
          methods.value = names;
        });
      })
      .catch(tellError);
  };
  events.onmessage = ({ data }) => {
    const next = JSON.parse(data) as Status;
    const before = status.value;
    status.value = next;
    if (next.version > version && !sending) void refresh().catch(tellError);
    if (next.check !== before?.check || (next.check !== undefined && !check.value))
      void readCheck(next.check);
  };
  events.onerror = () => {
    isCut.value = true;
    // A server that was ended closes for good; a new one is looked for.
    if (events.readyState === EventSource.CLOSED) setTimeout(connect, 1000);
  };
}

async function readCheck(serial: number | undefined): Promise<void> {
  check.value = serial === undefined ? undefined : ((await api.check().catch(() => null)) ?? undefined);
}
