import { z } from 'zod';
import { DataError, UsageError } from '../errors.ts';
import { type BoardJson, boardFromJson, boardToJson, EMPTY_BOARD } from './board.ts';
import { applyChange, beginHistory, type Change, type History } from './history.ts';
import { MOST, wellFormed } from './limits.ts';

/** The limit applies to the normalised name, as it is on the board. */
const className = z
  .string()
  .normalize('NFC')
  .min(1)
  .max(MOST.className)
  .refine(wellFormed, 'is not well-formed text');
const picture = z.object({
  hash: z.string().regex(/^[0-9a-f]{64}$/),
  name: z.string().max(MOST.pictureName).refine(wellFormed, 'is not well-formed text'),
  classId: z.string().max(64).optional(),
  group: z.string().max(MOST.group).optional(),
});
const hashes = z.array(picture.shape.hash).max(1_000_000);
const classId = z.string().min(1).max(64);
const settings = z
  .strictObject({
    method: z.string(),
    reject: z.number().min(0).max(1),
    alpha: z.number().min(0).max(1e6).optional(),
    beta: z.number().positive().max(1000).optional(),
    // The method's own table checks it when the method is fitted.
    options: z.record(z.string().max(40), z.union([z.number(), z.string().max(200), z.boolean()])).optional(),
  })
  .refine(
    ({ alpha, beta }) => (alpha === undefined) === (beta === undefined),
    'needs alpha and beta, or neither',
  );
const command = z.discriminatedUnion('do', [
  z.object({ do: z.literal('add'), pictures: z.array(picture).max(MOST.added) }),
  z.object({ do: z.literal('place'), hashes, classId: classId.optional() }),
  z.object({ do: z.literal('discard'), hashes }),
  z.object({ do: z.literal('confirm'), hashes }),
  z.object({ do: z.literal('add-class'), id: classId, name: className }),
  z.object({ do: z.literal('rename-class'), id: classId, name: className }),
  z.object({ do: z.literal('merge-classes'), from: classId, into: classId }),
  z.object({ do: z.literal('discard-class'), id: classId }),
  z.object({
    do: z.literal('name'),
    name: z.string().max(MOST.projectName).refine(wellFormed, 'is not well-formed text'),
  }),
  z.object({ do: z.literal('set'), settings }),
]);

/** Schema of a change, in requests and in the journal. */
export const changeSchema: z.ZodType<Change> = z.union([
  z.object({ command, step: z.string().max(64).optional() }),
  z.object({ move: z.enum(['undo', 'redo']) }),
]);

const baseSchema = z.object({
  base: z
    .object({
      classes: z.array(z.object({ id: classId, name: className })),
      pictures: z.array(picture),
      settings,
      // Sessions of earlier versions have neither field.
      name: z.string().default(''),
      confirmed: hashes.default([]),
    })
    .refine(isWhole, 'is not a board') satisfies z.ZodType<BoardJson>,
});

/** Whether classes and pictures are unique, and the classes of all pictures exist. */
function isWhole({ classes, pictures }: BoardJson): boolean {
  const ids = new Set(classes.map(({ id }) => id));
  const hashes = new Set(pictures.map(({ hash }) => hash));
  const known = pictures.every(({ classId }) => classId === undefined || ids.has(classId));
  return known && ids.size === classes.length && hashes.size === pictures.length;
}

/** A journal with more lines is replaced by its board when it is opened. The steps to undo are then lost. */
const LONGEST = 20_000;

/** The history of changes, and its file: a board, then one line for each change. */
export interface Journal {
  readonly history: History;
  /** Resolves when a running `forget`, for which changes wait, has ended; undefined if none is running. It never rejects. */
  readonly forgetting: Promise<void> | undefined;
  /**
   * Makes changes, and resolves when they are in the file. If they cannot be written, they are undone, and the error is thrown. Throws
   * `UsageError` `studio/change` if one of them could not be read again; none is made then.
   */
  append(...changes: readonly Change[]): Promise<void>;
  /** Forgets the steps of undo and redo. If the file cannot be written, the history and the file still have them. */
  forget(): Promise<void>;
  close(): Promise<void>;
}

/** The file of a journal. Each function throws the error that the person gets. */
export interface JournalFile {
  /** The file's name in messages. */
  readonly name: string;
  /** The hint for a person if the file is damaged. */
  readonly hint: string;
  /** The whole text; undefined if there is no file because the project is new. */
  read(): Promise<string | undefined>;
  /** Replaces the whole text: a reader sees the old one or the new one. */
  replace(text: string): Promise<void>;
  /** Opens the file for writing at its end. */
  open(): Promise<OpenJournalFile>;
}

interface OpenJournalFile {
  /** Length in bytes when it was opened. */
  readonly length: number;
  /** Appends bytes. They are safe when this resolves. */
  append(bytes: Uint8Array): Promise<void>;
  truncate(length: number): Promise<void>;
  close(): Promise<void>;
}

/**
 * Opens or creates a journal. Every change is appended and flushed before it is acknowledged, so a killed process loses no
 * acknowledged change. An incomplete last line is dropped. Throws `DataError` `studio/journal` if a line is damaged, or if the file has no
 * complete line.
 */
export async function openJournal(storage: JournalFile): Promise<Journal> {
  let { history, lines, torn } = await readJournal(storage);
  if (lines === 0 || lines > LONGEST) {
    history = beginHistory(history.board);
    await storage.replace(line({ base: boardToJson(history.board) }));
  } else if (torn !== undefined) await storage.replace(torn);
  let file = await storage.open();
  /** The written history, and the length of the file in bytes. */
  let kept = { history, length: file.length };
  /** Number of failed writes. Changes queued after a failed write are refused: they were made on a board that does not exist. */
  let failures = 0;
  let last: Promise<void> = Promise.resolve();
  let forgetting: Promise<void> | undefined;

  async function write(text: string, after: History, planned: number): Promise<void> {
    if (planned !== failures) throw lostBehind(storage.name);
    try {
      // Remove the incomplete line of the failed write.
      if (failures > 0) await file.truncate(kept.length);
      const bytes = new TextEncoder().encode(text);
      await file.append(bytes);
      kept = { history: after, length: kept.length + bytes.length };
    } catch (error) {
      failures++;
      history = kept.history;
      await file.truncate(kept.length).catch(() => {});
      throw error;
    }
  }

  return {
    get history() {
      return history;
    },
    get forgetting() {
      return forgetting;
    },
    async append(...wanted) {
      const changes = wanted.map(checkedChange);
      // Whether an undo has a step to go back to is known only when the file has been replaced.
      while (forgetting) await forgetting;
      history = changes.reduce(applyChange, history);
      const [after, planned] = [history, failures];
      const written = last.then(() => write(changes.map(line).join(''), after, planned));
      // The caller gets the error of a failed write. The next write is tried nevertheless.
      last = written.catch(() => {});
      return written;
    },
    async forget() {
      while (forgetting) await forgetting;
      const replaced = last
        .then(async () => {
          const begun = beginHistory(history.board);
          await file.close();
          try {
            await storage.replace(line({ base: boardToJson(begun.board) }));
            history = begun;
            kept = { ...kept, history };
          } finally {
            file = await storage.open();
            kept = { ...kept, length: file.length };
          }
        })
        .finally(() => {
          forgetting = undefined;
        });
      forgetting = replaced.catch(() => {});
      last = forgetting;
      return replaced;
    },
    async close() {
      await last;
      await file.close();
    },
  };
}

/** The change as the journal is read. */
function checkedChange(change: Change): Change {
  const { data, error } = changeSchema.safeParse(change);
  if (data) return data;
  throw new UsageError(`A change of the board is not valid: ${z.prettifyError(error)}`, {
    code: 'studio/change',
    hint: 'Shorten the name of the class, the picture or the group.',
  });
}

function lostBehind(name: string): DataError {
  return new DataError(`${name} could not be written`, {
    code: 'disk/write',
    hint: 'A change before this one could not be saved; make it again.',
    details: { path: name },
  });
}

const line = (value: unknown) => `${JSON.stringify(value)}\n`;

/** Replays the journal. A new one has no lines. If the last line is incomplete, `torn` is the text before it. */
export async function readJournal({
  name,
  hint,
  read: readText,
}: Pick<JournalFile, 'name' | 'hint' | 'read'>): Promise<{ history: History; lines: number; torn?: string }> {
  const text = await readText();
  if (text === undefined) return { history: beginHistory(EMPTY_BOARD), lines: 0 };
  const end = text.lastIndexOf('\n') + 1;
  // The first line is written with the file, so a file without it has lost its board, which is not to be taken for an empty one.
  const [base = '', ...changes] = text.slice(0, end).split('\n').slice(0, -1);
  const read = <T>(schema: z.ZodType<T>, line: string, at: number): T => {
    try {
      return schema.parse(JSON.parse(line));
    } catch (cause) {
      throw new DataError(`${name} is damaged in line ${at}`, {
        code: 'studio/journal',
        hint,
        details: { path: name, line: at },
        cause,
      });
    }
  };
  let history = beginHistory(boardFromJson(read(baseSchema, base, 1).base));
  for (const [i, change] of changes.entries())
    history = applyChange(history, read(changeSchema, change, i + 2));
  return { history, lines: 1 + changes.length, torn: end < text.length ? text.slice(0, end) : undefined };
}
