import { cp, mkdir, readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Encoder } from '../encoder/types.ts';
import { UsageError } from '../errors.ts';
import { writeFileAtomic } from '../store/atomic.ts';
import { unlessMissing } from '../store/regular.ts';
import { boardOnDisk } from './disk-journal.ts';
import { DiskSession, type SessionOptions } from './disk-session.ts';
import type { Projects } from './status.ts';

/** Id of the project in the workspace's own folder. */
const FIRST = 'first';

/** The projects of a workspace, of which one is open. Each has a folder: the first project the workspace itself, the others a folder in `projects/`. */
export class Desk {
  readonly #root: string;
  readonly #ownsEncoder: boolean;
  #session: DiskSession;
  #current: string;
  /** Calls run one after the other, so that two projects are never open at once. */
  #turn: Promise<unknown> = Promise.resolve();

  private constructor(root: string, ownsEncoder: boolean, session: DiskSession, current: string) {
    this.#root = root;
    this.#ownsEncoder = ownsEncoder;
    this.#session = session;
    this.#current = current;
  }

  /** Opens the project that was open last. Throws as `DiskSession.open` does. */
  static async open({ folder, encoder = 'auto' }: SessionOptions): Promise<Desk> {
    const last = await readFile(join(folder, CURRENT), 'utf8').catch(unlessMissing);
    const known = [FIRST, ...(await othersIn(folder))];
    const current = last !== undefined && known.includes(last) ? last : FIRST;
    const session = await DiskSession.open({ folder: folderOf(folder, current), encoder, home: folder });
    return new Desk(folder, typeof encoder === 'string', session, current);
  }

  get session(): DiskSession {
    return this.#session;
  }

  get current(): string {
    return this.#current;
  }

  async projects(): Promise<Projects> {
    const ids = [FIRST, ...(await othersIn(this.#root))];
    const projects = await Promise.all(
      ids.map(async (id) => {
        const folder = folderOf(this.#root, id);
        const { name, pictures, classes } =
          id === this.#current ? this.#session.board : await boardOnDisk(folder);
        return { id, name, folder, pictures: pictures.size, classes: classes.length };
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
    return this.#inTurn(async () => {
      const id = crypto.randomUUID().slice(0, 8);
      await mkdir(folderOf(this.#root, id), { recursive: true });
      await this.#open(id);
      await this.#session.change({ command: { do: 'name', name } });
    });
  }

  /** Copies the open project with its pictures and history, and opens the copy. */
  duplicate(name: string): Promise<void> {
    return this.#inTurn(async () => {
      const id = crypto.randomUUID().slice(0, 8);
      const [from, to] = [folderOf(this.#root, this.#current), folderOf(this.#root, id)];
      await mkdir(to, { recursive: true });
      for (const part of ['pictures', 'thumbnails', 'session.jsonl'])
        await cp(join(from, part), join(to, part), { recursive: true }).catch(unlessMissing);
      await this.#open(id);
      await this.#session.change({ command: { do: 'name', name } });
    });
  }

  async close(): Promise<void> {
    await this.#turn;
    const encoder = this.#session.lend();
    await this.#session.close();
    if (this.#ownsEncoder) await closeEncoder(encoder);
  }

  #inTurn(work: () => Promise<void>): Promise<void> {
    const done = this.#turn.then(work);
    this.#turn = done.catch(() => {});
    return done;
  }

  async #open(id: string): Promise<void> {
    if (id === this.#current) return;
    if (id !== FIRST && !(await othersIn(this.#root)).includes(id)) {
      throw new UsageError('There is no such project', { code: 'studio/no-project', details: { id } });
    }
    // If the project cannot be read, this throws before the present one is closed.
    await boardOnDisk(folderOf(this.#root, id));
    const encoder = this.#session.lend();
    await this.#session.close();
    this.#session = await DiskSession.open({ folder: folderOf(this.#root, id), encoder, home: this.#root });
    this.#current = id;
    await writeFileAtomic(join(this.#root, CURRENT), Buffer.from(id));
  }
}

/** Name of the file with the id of the project that was open last. */
const CURRENT = 'current-project';

const folderOf = (root: string, id: string) => (id === FIRST ? root : join(root, 'projects', id));

async function othersIn(root: string): Promise<string[]> {
  const entries = (await readdir(join(root, 'projects'), { withFileTypes: true }).catch(unlessMissing)) ?? [];
  return entries.filter((entry) => entry.isDirectory()).map(({ name }) => name);
}

async function closeEncoder(encoder: string | Encoder): Promise<void> {
  if (typeof encoder !== 'string') await encoder.close();
}
