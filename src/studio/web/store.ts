import { batch, computed, effect, signal } from '@preact/signals';
import { type Board, boardFromJson, type Command, EMPTY_BOARD } from '../board.ts';
import { applyChange, beginHistory, type Change } from '../history.ts';
import { ApiError, api, type CheckReport, type MethodFacts, type Problem, type Status } from './api.ts';

/** The board as the page shows it: ahead of the program by what is on its way. */
export const board = signal<Board>(EMPTY_BOARD);
export const status = signal<Status | undefined>(undefined);
export const check = signal<CheckReport | undefined>(undefined);
export const methods = signal<readonly MethodFacts[]>([]);
/** The program does not answer: what is done meanwhile waits in this page. */
export const isCut = signal(false);
export const ready = signal(false);

export interface Notice {
  readonly kind: 'problem' | 'duplicates' | 'unreadable' | 'merged' | 'tried' | 'nothing' | 'held-out';
  readonly problem?: Problem;
  readonly count?: number;
  readonly names?: readonly string[];
  readonly files?: readonly { readonly name: string; readonly problem: Problem }[];
}
/** What the person should know of what just happened. */
export const notices = signal<readonly Notice[]>([]);

/** Kinds that are no trouble: they go by themselves. */
export const PASSING: ReadonlySet<Notice['kind']> = new Set(['duplicates', 'merged', 'tried', 'nothing']);
const PASSING_MS = 10_000;

/** Shows a notice; the same one again takes the place of the first. */
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
/** Changes that the program does not have yet, in order: those on their way, and those behind them. */
let travelling: Change[] = [];
const waiting: Change[] = [];
let sending: Promise<void> | undefined;
/** How many changes wait while the program does not answer. */
export const unsaved = signal(0);

/** Changes made on this page so far, steps back and forward among them. */
export const changesMade = signal(0);

/** Changes the board, here at once and in the program right after. Commands of one `step` are undone together. */
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

/** The way back is the program's: it outlives this page. */
async function move(direction: 'undo' | 'redo'): Promise<void> {
  if (isCut.value) return;
  enqueue({ move: direction });
  await sending;
  await refresh().catch(tellError);
}

/** Resolves when the program has every change made so far, or does not answer. */
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
  // Changes of the same moment travel together.
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
        // What the program refuses, it would refuse again.
        tellError(error);
        await refresh().catch(tellError);
        continue;
      }
      // Another tab was first, or the program is gone and may have had these or not. A command names pictures and classes: it
      // means the same on another board, and nothing when it is repeated. A step back would be another one.
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

/** What the program takes at a time. */
const MOST_TOGETHER = 1000;

async function refresh(): Promise<void> {
  const { version: latest, board: json } = await api.board();
  version = latest;
  // What was on its way may be on that board or not: repeated, it changes nothing.
  board.value = [...travelling, ...waiting].reduce(changed, boardFromJson(json));
}

/** Resolves when the program answers. */
export function answering(): Promise<void> {
  return new Promise((resolve) => {
    const stop = effect(() => {
      if (isCut.value) return;
      resolve();
      // An effect cannot end itself while it runs for the first time.
      queueMicrotask(() => stop());
    });
  });
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
        send();
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
