import { applyCommand, type Board, type Command } from './board.ts';

/** A board with the boards for undo and redo. */
export interface History {
  readonly board: Board;
  /** Boards for undo, the latest last. */
  readonly past: readonly { readonly board: Board; readonly step?: string }[];
  /** Boards for redo, the next one last. */
  readonly future: readonly { readonly board: Board; readonly step?: string }[];
}

/** One entry of the journal: a command, undo or redo. Commands of the same `step` are undone together. */
export type Change =
  | { readonly command: Command; readonly step?: string }
  | { readonly move: 'undo' | 'redo' };

/** Largest number of steps that can be undone. */
const DEPTH = 200;

export function beginHistory(board: Board): History {
  return { board, past: [], future: [] };
}

/** Hashes of all pictures on the board, and of those that come back with undo or redo. */
export function rememberedHashes({ board, past, future }: History): Set<string> {
  const hashes = new Set(board.pictures.keys());
  for (const step of [...past, ...future]) for (const hash of step.board.pictures.keys()) hashes.add(hash);
  return hashes;
}

/** Whether a picture is on the board, or comes back with undo or redo. */
export function isRemembered({ board, past, future }: History, hash: string): boolean {
  return board.pictures.has(hash) || [...past, ...future].some((step) => step.board.pictures.has(hash));
}

/** The history after a change; the same object if nothing changes. */
export function applyChange(history: History, change: Change): History {
  if ('command' in change) return perform(history, change.command, change.step);
  return change.move === 'undo' ? undo(history) : redo(history);
}

function perform({ board, past, future }: History, command: Command, step?: string): History {
  const next = applyCommand(board, command);
  if (next === board) return { board, past, future };
  const goesOn = step !== undefined && past.at(-1)?.step === step;
  return { board: next, past: goesOn ? past : [...past, { board, step }].slice(-DEPTH), future: [] };
}

function undo(history: History): History {
  const { board, past, future } = history;
  const last = past.at(-1);
  if (!last) return history;
  return { board: last.board, past: past.slice(0, -1), future: [...future, { board, step: last.step }] };
}

function redo(history: History): History {
  const { board, past, future } = history;
  const next = future.at(-1);
  if (!next) return history;
  return { board: next.board, past: [...past, { board, step: next.step }], future: future.slice(0, -1) };
}
