import { FIRST, type Workspace } from '../../desk.ts';
import { isRemembered, rememberedHashes } from '../../history.ts';
import { openJournal, readJournal } from '../../journal.ts';
import { checkHash } from '../../pictures.ts';
import { Session, type SessionParts } from '../../session.ts';
import { rescuedZip } from './rescue.ts';
import type { StoredFolder } from './storage.ts';
import { storedFeatures } from './stored-features.ts';
import { JOURNAL, storedJournal } from './stored-journal.ts';
import { PICTURES, type StoredPictures, storedPictures } from './stored-pictures.ts';
import { storedTeacher } from './stored-teacher.ts';

const CURRENT = 'current-project';
const FEATURES = 'features';
/** The file that `replace` writes before it takes the journal's place. */
const NEW_JOURNAL = `${JOURNAL}.new`;

export interface StoredWorkspace extends Workspace<Session<StoredPictures>> {
  /**
   * Removes what an interrupted import or copy left: pictures and features that no project remembers, and copies that have no journal. No
   * project may be open. A project keeps everything if its journal cannot be read.
   */
  tidy(): Promise<void>;
  /** All stored pictures of a project as a zip, also if its journal is damaged. */
  rescue(id: string): Promise<AsyncIterable<Uint8Array>>;
}

/** Projects in the browser's storage: the first one in the workspace's own folder, the others in its `projects`. */
export function storedWorkspace(
  root: StoredFolder,
  loadEncoder: SessionParts['loadEncoder'],
): StoredWorkspace {
  const projects = root.folder('projects');
  const folderOf = (id: string) => (id === FIRST ? root : projects.folder(id));
  return {
    folderOf: () => '',
    others: () => projects.names(),
    boardOf: async (id) => (await readJournal(storedJournal(folderOf(id)))).history.board,
    openJournal: (id) => openJournal(storedJournal(folderOf(id))),
    // The journal is last: a folder without one is a copy that was interrupted.
    async copy(from, to) {
      for (const part of [PICTURES, 'thumbnails']) {
        const [source, target] = [folderOf(from).folder(part), folderOf(to).folder(part)];
        for (const name of await source.names()) await copyFile(source, target, name);
      }
      const journal = await folderOf(from).file(JOURNAL);
      if (journal) await folderOf(to).replace(JOURNAL, new Uint8Array(await journal.arrayBuffer()));
    },
    remove: (id) => projects.remove(id),
    readCurrent: async () => (await root.file(CURRENT))?.text(),
    writeCurrent: (id) => root.replace(CURRENT, new TextEncoder().encode(id)),
    async open(id, encoder) {
      const journal = await openJournal(storedJournal(folderOf(id)));
      const pictures = storedPictures(folderOf(id), (hash) => isRemembered(journal.history, hash));
      return new Session({
        folder: '',
        encoder,
        journal,
        pictures,
        loadEncoder,
        createTeacher: (encoder) => {
          const own = root.folder(FEATURES).folder(checkHash(encoder.fingerprint));
          return storedTeacher(encoder, pictures, storedFeatures(own, encoder.dimension));
        },
        close: async () => {},
      });
    },
    rescue: async (id) => rescuedZip(folderOf(id)),
    async tidy() {
      const remembered = new Set<string>();
      let areAllRead = true;
      for (const id of [FIRST, ...(await projects.names())]) {
        const folder = folderOf(id);
        try {
          // A copy that was interrupted has neither a journal nor a new one that was about to replace it.
          if (id !== FIRST && !(await folder.file(JOURNAL)) && !(await folder.file(NEW_JOURNAL))) {
            await projects.remove(id);
            continue;
          }
          const own = rememberedHashes((await readJournal(storedJournal(folder))).history);
          for (const hash of own) remembered.add(hash);
          await storedPictures(folder, (hash) => own.has(hash)).removeOrphans();
        } catch {
          // Without its journal, nobody knows which pictures a project has. Files that cannot be removed now are removed at a later start.
          areAllRead = false;
        }
      }
      if (!areAllRead) return;
      const features = root.folder(FEATURES);
      for (const encoder of await features.names()) {
        const own = features.folder(encoder);
        for (const hash of await own.names()) if (!remembered.has(hash)) await own.remove(hash);
      }
    },
  };
}

async function copyFile(source: StoredFolder, target: StoredFolder, name: string): Promise<void> {
  const file = await source.file(name);
  if (file) await target.write(name, new Uint8Array(await file.arrayBuffer()));
}
