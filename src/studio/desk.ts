import type { Encoder } from '../encoder/types.ts';
import { DataError, UsageError } from '../errors.ts';
import type { Board } from './board.ts';
import type { Journal } from './journal.ts';
import type { Session } from './session.ts';
import { type Projects, problemOf } from './status.ts';

/** Id of the project that every workspace has. */
export const FIRST = 'first';

/** The storage of projects: folders on the disk, or of the browser. */
export interface Workspace<S extends Session> {
  /** Ids of the projects besides the first one. */
  others(): Promise<string[]>;
  /** The place of a project in the form that the page shows. */
  folderOf(id: string): string;
  /** The board of a project that is not open. Throws `DataError` if it cannot be read. */
  boardOf(id: string): Promise<Board>;
  /** Opens the journal of a project that is not open. Makes the project if it does not exist. */
  openJournal(id: string): Promise<Journal>;
  /** Copies a project's pictures and history into a new project. */
  copy(from: string, to: string): Promise<void>;
  /** Removes a project that is not open, with its pictures. */
  remove(id: string): Promise<void>;
  /** Id of the project that was open last. */
  readCurrent(): Promise<string | undefined>;
  writeCurrent(id: string): Promise<void>;
  open(id: string, encoder: string | Encoder): Promise<S>;
}

/** Creates a project, and fills it before it gets its name. Returns its id. If that fails, nothing of it is left. */
export async function createProject(
  workspace: Pick<Workspace<Session>, 'openJournal' | 'remove'>,
  name: string,
  fill: (id: string) => Promise<void> = async () => {},
): Promise<string> {
  const id = crypto.randomUUID().slice(0, 8);
  try {
    await fill(id);
    const journal = await workspace.openJournal(id);
    await journal.append({ command: { do: 'name', name } }).finally(() => journal.close());
    return id;
  } catch (error) {
    await workspace.remove(id).catch(() => {});
    throw error;
  }
}

/** Whether a project cannot be opened because its journal is damaged. */
export const isDamaged = (error: unknown): error is DataError =>
  error instanceof DataError && error.code === 'studio/journal';

/** The projects of a workspace, of which one is open. */
export class Desk<S extends Session = Session> {
  readonly #workspace: Workspace<S>;
  readonly #ownsEncoder: boolean;
  #session: S;
  #current: string;
  /** Calls run one after the other, so that two projects are never open at once. */
  #turn: Promise<unknown> = Promise.resolve();

  private constructor(workspace: Workspace<S>, ownsEncoder: boolean, session: S, current: string) {
    this.#workspace = workspace;
    this.#ownsEncoder = ownsEncoder;
    this.#session = session;
    this.#current = current;
  }

  /** Opens the project that was open last, or if its journal is damaged, another one. Throws as the workspace does. */
  static async open<S extends Session>(workspace: Workspace<S>, encoder: string | Encoder): Promise<Desk<S>> {
    const last = await workspace.readCurrent();
    const known = [FIRST, ...(await workspace.others())];
    const current = last !== undefined && known.includes(last) ? last : FIRST;
    let first: unknown;
    for (const id of new Set([current, ...known])) {
      try {
        return new Desk(workspace, typeof encoder === 'string', await workspace.open(id, encoder), id);
      } catch (error) {
        if (!isDamaged(error)) throw error;
        first ??= error;
      }
    }
    throw first;
  }

  get session(): S {
    return this.#session;
  }

  async projects(): Promise<Projects> {
    const ids = [FIRST, ...(await this.#workspace.others())];
    const projects = await Promise.all(
      ids.map(async (id) => {
        const folder = this.#workspace.folderOf(id);
        try {
          const { name, pictures, classes } =
            id === this.#current ? this.#session.board : await this.#workspace.boardOf(id);
          return { id, name, folder, pictures: pictures.size, classes: classes.length };
        } catch (error) {
          // One damaged project does not hide the others.
          if (!(error instanceof DataError)) throw error;
          return { id, name: '', folder, pictures: 0, classes: 0, problem: problemOf(error) };
        }
      }),
    );
    return { current: this.#current, projects };
  }

  /** Closes the present project and opens another one. Throws `UsageError` if there is none of that id. */
  switchTo(id: string): Promise<void> {
    return this.#inTurn(() => this.#open(id));
  }

  /** Creates a project and opens it. */
  create(name: string): Promise<void> {
    return this.#begin(name);
  }

  /** Copies the open project with its pictures and history, and opens the copy. If that fails, nothing of the copy is left. */
  duplicate(name: string): Promise<void> {
    return this.#begin(name, (id) => this.#workspace.copy(this.#current, id));
  }

  async close(): Promise<void> {
    await this.#turn;
    const encoder = this.#session.lend();
    await this.#session.close();
    if (this.#ownsEncoder && typeof encoder !== 'string') await encoder.close();
  }

  #begin(name: string, fill?: (id: string) => Promise<void>): Promise<void> {
    return this.#inTurn(async () => this.#open(await createProject(this.#workspace, name, fill)));
  }

  #inTurn(work: () => Promise<void>): Promise<void> {
    const done = this.#turn.then(work);
    this.#turn = done.catch(() => {});
    return done;
  }

  async #open(id: string): Promise<void> {
    if (id === this.#current) return;
    if (id !== FIRST && !(await this.#workspace.others()).includes(id)) {
      throw new UsageError('There is no such project', { code: 'studio/no-project', details: { id } });
    }
    // If the project cannot be read, this throws before the present one is closed.
    await this.#workspace.boardOf(id);
    const encoder = this.#session.lend();
    await this.#session.close();
    try {
      this.#session = await this.#workspace.open(id, encoder);
    } catch (error) {
      this.#session = await this.#workspace.open(this.#current, encoder);
      throw error;
    }
    this.#current = id;
    await this.#workspace.writeCurrent(id);
  }
}
