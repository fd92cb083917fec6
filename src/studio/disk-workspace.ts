import { cp, mkdir, readdir, readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { writeFileAtomic } from '../store/atomic.ts';
import { unlessMissing } from '../store/regular.ts';
import { type Desk, FIRST, type Workspace } from './desk.ts';
import { boardOnDisk, openDiskJournal } from './disk-journal.ts';
import { DiskSession } from './disk-session.ts';

/** The projects that the routes are about. */
export type StudioDesk = Desk<DiskSession>;

/** Name of the file with the id of the project that was open last. */
const CURRENT = 'current-project';

/** Projects as folders: the first one is the workspace's own folder, the others are in its `projects/`. */
export function diskWorkspace(root: string): Workspace<DiskSession> {
  const folderOf = (id: string) => (id === FIRST ? root : join(root, 'projects', id));
  return {
    folderOf,
    async others() {
      const entries =
        (await readdir(join(root, 'projects'), { withFileTypes: true }).catch(unlessMissing)) ?? [];
      return entries.filter((entry) => entry.isDirectory()).map(({ name }) => name);
    },
    boardOf: (id) => boardOnDisk(folderOf(id)),
    async openJournal(id) {
      await mkdir(folderOf(id), { recursive: true });
      return openDiskJournal(folderOf(id));
    },
    async copy(from, to) {
      await mkdir(folderOf(to), { recursive: true });
      for (const part of ['pictures', 'thumbnails', 'session.jsonl'])
        await cp(join(folderOf(from), part), join(folderOf(to), part), { recursive: true }).catch(
          unlessMissing,
        );
    },
    remove: (id) => rm(join(root, 'projects', id), { recursive: true, force: true }),
    readCurrent: () => readFile(join(root, CURRENT), 'utf8').catch(unlessMissing),
    writeCurrent: (id) => writeFileAtomic(join(root, CURRENT), id),
    open: (id, encoder) => DiskSession.open({ folder: folderOf(id), encoder, home: root }),
  };
}
