import { basename, resolve } from 'node:path';
import { ModelError } from '../errors.ts';
import { hubListing, resolveHub } from '../store/hub.ts';
import { type FetchOptions, formatSource, parseSource, type Source } from '../store/sources.ts';

/** The name of a classifier's file in a repository on the hub. */
export const HUB_FILE = 'classifier.safetensors';

/** Whether a classifier is in a repository on the hub: `hf:owner/name[@revision]`. */
export function isOnHub(place: string): boolean {
  return /^hf:/i.test(place);
}

/** The name of a repository on the hub, without its owner. Throws `UsageError` `source/malformed`. */
export function hubName(place: string): string {
  return basename(hubSource(place).repo);
}

function hubSource(place: string): Source & { kind: 'hub' } {
  return parseSource(place) as Source & { kind: 'hub' };
}

/** A classifier's file on this disk. */
export interface ClassifierFile {
  readonly path: string;
  /** The name by which another machine finds the same file: the absolute path, or `hf:owner/name@commit`. */
  readonly place: string;
}

/**
 * The file of a classifier, given by its path or by its repository on the hub (`hf:owner/name[@revision]`). The file of a repository is
 * downloaded once. Later calls use the commit that the first one recorded for this revision, without the network. The file is
 * `classifier.safetensors` or the only `.safetensors` file. Throws `UsageError` `source/malformed`, `ModelError` `hub/no-classifier`,
 * `network/…` and `checksum/…`.
 */
export async function classifierFile(place: string, options: FetchOptions = {}): Promise<ClassifierFile> {
  if (!isOnHub(place)) return { path: place, place: resolve(place) };
  const source = hubSource(place);
  const fetching = { ...options, part: 'classifiers' as const };
  const listing = await hubListing(source.repo, source.revision, fetching);
  const named = listing.files.map(({ path }) => path).filter((path) => path.endsWith('.safetensors'));
  const path = named.includes(HUB_FILE) ? HUB_FILE : named[0];
  if (path === undefined || (path !== HUB_FILE && named.length > 1))
    throw new ModelError(
      `${place} has ${path ? `several .safetensors files, and none is named ${HUB_FILE}` : 'no .safetensors file'}`,
      {
        code: 'hub/no-classifier',
        hint: 'Give a repository that tip-adapter push wrote, or a revision of one.',
        details: { place, files: named },
      },
    );
  const { commit, files } = await resolveHub(source.repo, source.revision, [{ path }], {
    ...fetching,
    listing,
  });
  return { path: files.get(path)!.path, place: formatSource({ ...source, revision: commit }) };
}
