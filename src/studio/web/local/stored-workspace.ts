import { FIRST, type Workspace } from '../../desk.ts';
import { openJournal, readJournal } from '../../journal.ts';
import { checkHash } from '../../pictures.ts';
import { Session } from '../../session.ts';
import { loadSiteEncoder } from './site-encoder.ts';
import type { StoredFolder } from './storage.ts';
import { storedFeatures } from './stored-features.ts';
import { JOURNAL, storedJournal } from './stored-journal.ts';
import { type StoredPictures, storedPictures } from './stored-pictures.ts';
import { storedTeacher } from './stored-teacher.ts';

const CURRENT = 'current-project';

/** Projects in the browser's storage: the first one in the workspace's own folder, the others in its `projects`. */
export function storedWorkspace(root: StoredFolder): Workspace<Session<StoredPictures>> {
  const projects = root.folder('projects');
  const folderOf = (id: string) => (id === FIRST ? root : projects.folder(id));
  return {
    folderOf: () => '',
    others: () => projects.names(),
    boardOf: async (id) => (await readJournal(storedJournal(folderOf(id)))).history.board,
    // The journal makes a project's folder.
    create: async (id) => (await openJournal(storedJournal(folderOf(id)))).close(),
    async copy(from, to) {
      for (const part of ['pictures', 'thumbnails']) {
        const [source, target] = [folderOf(from).folder(part), folderOf(to).folder(part)];
        for (const name of await source.names()) await copyFile(source, target, name);
      }
      await copyFile(folderOf(from), folderOf(to), JOURNAL);
    },
    readCurrent: async () => (await root.file(CURRENT))?.text(),
    writeCurrent: (id) => root.replace(CURRENT, new TextEncoder().encode(id)),
    async open(id, encoder) {
      const folder = folderOf(id);
      const pictures = storedPictures(folder);
      return new Session({
        folder: '',
        encoder,
        journal: await openJournal(storedJournal(folder)),
        pictures,
        loadEncoder: loadSiteEncoder,
        createTeacher: (encoder) => {
          const own = root.folder('features').folder(checkHash(encoder.fingerprint));
          return storedTeacher(encoder, pictures, storedFeatures(own, encoder.dimension));
        },
        close: async () => {},
      });
    },
  };
}

async function copyFile(source: StoredFolder, target: StoredFolder, name: string): Promise<void> {
  const file = await source.file(name);
  if (file) await target.write(name, new Uint8Array(await file.arrayBuffer()));
}
