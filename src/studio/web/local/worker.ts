import { setSharedEngine } from '../../../engine/shared.ts';
import { createEngine } from '../../../engine/web.ts';
import { UsageError } from '../../../errors.ts';
import { modelCard } from '../../../export/card.ts';
import { download } from '../../../web/download.ts';
import { boardAnswer, changeProject, checkAnswer, presentClassifier, trialAnswer } from '../../answers.ts';
import { createProject, Desk, FIRST, isDamaged } from '../../desk.ts';
import { exportName } from '../../export-name.ts';
import { checkReport, classifierFile } from '../../keep.ts';
import { methodFacts } from '../../method-facts.ts';
import { projectZip } from '../../project.ts';
import { importSample, samplesOf } from '../../sample.ts';
import type { Session } from '../../session.ts';
import { problemOf } from '../../status.ts';
import { SAMPLES } from '../../studio-site.ts';
import type { Export } from '../api.ts';
import type { Asked, Calls, Told } from './protocol.ts';
import { loadSiteEncoder, type SiteEncoder, studioSite } from './site-encoder.ts';
import { storedFolder } from './storage.ts';
import type { StoredPictures } from './stored-pictures.ts';
import { type StoredWorkspace, storedWorkspace } from './stored-workspace.ts';
import { keepZip } from './zip-pictures.ts';

/** The studio in a worker of its page: the session with its storage, for the page's calls. */
type StoredDesk = Desk<Session<StoredPictures>>;

const tell = (told: Told) => self.postMessage(told);

/** Milliseconds after which the page says that another tab is open. A page that is loaded again waits less for its own worker. */
const PATIENCE = 1000;

self.onmessage = async ({ data: { site } }: MessageEvent<{ site: string }>) => {
  // Each site of an origin has a folder of its own.
  const name = `tip-adapter-studio ${encodeURIComponent(new URL(site).pathname)}`;
  const waiting = setTimeout(() => tell({ isElsewhere: true }), PATIENCE);
  await navigator.locks.request(name, async () => {
    clearTimeout(waiting);
    try {
      await serve(site, name);
    } catch (error) {
      return tell({ problem: problemOf(error) });
    }
    // The lock is held until the page is closed.
    await new Promise(() => {});
  });
};

async function serve(site: string, name: string): Promise<void> {
  // The engine computes in a worker of its own, so that pictures arrive while it learns.
  setSharedEngine(createEngine());
  let loaded: SiteEncoder | undefined;
  const workspace = storedWorkspace(storedFolder([name]), async (url, options) => {
    loaded = await loadSiteEncoder(url, options, (message, code) => tell({ note: { code, message } }));
    return loaded.encoder;
  });
  // Files that cannot be removed only take space, so they must not keep the studio from opening.
  await workspace
    .tidy()
    .catch((error) => console.warn('Files of interrupted imports could not be removed:', error));
  const { encoder, samples } = await studioSite(site);
  const desk = await openDesk(workspace, encoder);
  const calls = callsOf(desk, workspace, {
    samples: samples ? new URL(SAMPLES, site).href : undefined,
    loaded: () => loaded as SiteEncoder,
  });
  let unwatch = () => {};
  const follow = async () => {
    unwatch();
    const { current } = await desk.projects();
    tell({
      opened: [name, ...(current === FIRST ? [] : ['projects', current])].map(encodeURIComponent).join('/'),
    });
    unwatch = desk.session.watch((state) => tell({ state }));
  };
  self.onmessage = async ({ data: { id, call, given } }: MessageEvent<Asked>) => {
    try {
      const answered = (calls[call] as (...all: readonly unknown[]) => Promise<unknown>)(...given);
      // Also a change that failed may have opened the project again.
      const value = await (call === 'changeProject' ? answered.finally(follow) : answered);
      tell({ id, value });
    } catch (error) {
      tell({ id, status: error instanceof Conflict ? 409 : 400, problem: problemOf(error) });
    }
  };
  await follow();
}

/** Opens a project. If all of them are damaged, it opens a new one, from whose page their pictures can be saved. */
async function openDesk(workspace: StoredWorkspace, encoder: string): Promise<StoredDesk> {
  try {
    return await Desk.open(workspace, encoder);
  } catch (error) {
    if (!isDamaged(error)) throw error;
    const desk = await createProject(workspace, '').then(() => Desk.open(workspace, encoder));
    tell({ note: { code: 'studio/all-damaged', message: ALL_DAMAGED } });
    return desk;
  }
}

const ALL_DAMAGED =
  'The records of all projects are damaged, so a new project was made. To save the pictures of another one, choose it in the menu of projects';

/** The board has another version than the page that changes it. */
class Conflict extends UsageError {}

interface Site {
  /** URL of the folder of the sample pictures, if the site has them. */
  readonly samples?: string;
  /** The encoder, once a classifier answers. */
  loaded(): SiteEncoder;
}

function callsOf(desk: StoredDesk, workspace: StoredWorkspace, { samples, loaded }: Site): Calls {
  const bytes = async (blob: Blob) => new Uint8Array(await blob.arrayBuffer());
  const lessons = () => desk.session.lessons;
  return {
    board: async () => boardAnswer(desk.session),
    async change(version, changes) {
      const { session } = desk;
      if (version !== session.version)
        throw new Conflict('The board has changed', { code: 'studio/version' });
      return { version: await session.change(...changes) };
    },
    methods: async () => methodFacts(),
    answerDownload: async (yes) => desk.session.answerDownload(yes),
    projects: () => desk.projects(),
    changeProject: (wanted) => changeProject(desk, wanted),
    sampleSource: async () => (samples === undefined ? undefined : 'site'),
    sample: () => importSample(desk.session, (path) => download(new URL(path, samples).href, path, {})),
    samples: async () => (samples === undefined ? [] : samplesOf(desk.session)),
    stop: async () => lessons()?.stop(),
    pause: async (paused) => lessons()?.pause(paused),
    keep: async (name, picture) => desk.session.pictures.keep(name, await bytes(picture)),
    keepZip: (_, zip) => keepZip(desk.session.pictures, zip),
    settle: (hashes) => desk.session.pictures.settle(hashes),
    try: async (picture) => trialAnswer(desk.session, await bytes(picture)),
    next: async (kept) => (await lessons()?.next(desk.session.board, new Set(kept))) ?? [],
    guesses: async () => (await lessons()?.guesses(desk.session.board)) ?? [],
    map: async () => (await lessons()?.searchMap()) ?? null,
    size: async () => (await contentOf(desk.session, 'classifier', loaded)).content.size,
    check: async () => checkAnswer(desk.session),
    export: (what) => contentOf(desk.session, what, loaded),
    rescue: async (id) => ({
      name: `${exportName(id)}.zip`,
      content: await zipOf(await workspace.rescue(id)),
    }),
    async removeDeleted() {
      await desk.session.forget();
      return desk.session.pictures.removeOrphans();
    },
  };
}

/** An export with the name of its file. Throws for those that need the program. */
async function contentOf(
  session: Session<StoredPictures>,
  what: Export,
  loaded: Site['loaded'],
): Promise<{ name: string; content: Blob }> {
  const { board, pictures, lessons } = session;
  const blob = (content: BlobPart, type: string) => new Blob([content], { type });
  const named = (ending: string, content: Blob, otherwise?: string) => ({
    name: `${exportName(board.name, otherwise)}${ending}`,
    content,
  });
  const kept = () => {
    const { data, ...rest } = presentClassifier(session);
    return {
      ...rest,
      data: { ...data, reject: board.settings.reject, dataset: board.name || 'studio' },
    };
  };
  switch (what) {
    case 'classifier': {
      const content = (await classifierFile(kept(), pictures)) as Uint8Array<ArrayBuffer>;
      return named('.safetensors', blob(content, 'application/octet-stream'));
    }
    case 'onnx': {
      const { imageTower } = await import('../../../export/image-tower.ts');
      const { pictureModel } = await import('../../../export/picture-model.ts');
      const { record, files, encoder } = loaded();
      const { bytes } = await pictureModel(kept(), await imageTower(record, files), encoder);
      return named('.onnx', blob(bytes as Uint8Array<ArrayBuffer>, 'application/octet-stream'));
    }
    case 'report':
      return named(
        '-report.html',
        blob(await checkReport(lessons?.check, pictures, board.name), 'text/html'),
      );
    case 'card':
      return named('.md', blob(modelCard(kept().data), 'text/markdown'));
    case 'project':
      return named('.zip', await zipOf(await projectZip(board, pictures)), 'pictures');
    default:
      throw new UsageError('The studio on a web server cannot make this file', {
        code: 'studio/not-here',
        hint: 'Download the classifier, then use tip-adapter export.',
      });
  }
}

async function zipOf(zip: AsyncIterable<Uint8Array>): Promise<Blob> {
  let parts: Uint8Array<ArrayBuffer>[] = [];
  let size = 0;
  const blobs: Blob[] = [];
  // The browser moves large blobs out of memory.
  for await (const part of zip) {
    parts.push(part as Uint8Array<ArrayBuffer>);
    size += part.length;
    if (size < IN_MEMORY) continue;
    blobs.push(new Blob(parts));
    [parts, size] = [[], 0];
  }
  return new Blob([...blobs, ...parts], { type: 'application/zip' });
}

/** Bytes of a zip that are collected before they become a blob. */
const IN_MEMORY = 2 ** 25;
