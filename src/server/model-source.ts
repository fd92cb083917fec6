import { stat } from 'node:fs/promises';
import { classifierFile, isOnHub } from '../classifier/classifier-file.ts';
import { decodeClassifier } from '../classifier/decode.ts';
import { readClassifier } from '../classifier/file.ts';
import type { ClassifierData } from '../classifier/types.ts';
import { openStore } from '../store/open-store.ts';
import { fileIdentity } from '../store/regular.ts';

/** The source of a served classifier. */
export interface ModelSource {
  /** A text that changes whenever the classifier does. Throws `DataError` (`store/…`) if a store does not answer. */
  signature(): Promise<string>;
  /** Reads the classifier that has this signature. */
  read(signature: string): Promise<ClassifierData>;
  /** The file that changes are written to. The server does not change objects of a store. */
  readonly path?: string;
  /** Milliseconds between two checks for changes. */
  readonly interval: number;
}

const FILE_INTERVAL = 1_000;
/** Each check of an object is a request, and stores charge for requests. */
const OBJECT_INTERVAL = 10_000;

const MISSING = 'missing';

/**
 * The file at a path, the object at `s3://bucket/name`, or the file of a repository on the hub (`hf:owner/name[@revision]`). Throws
 * `UsageError` (`store/…`) for an address that cannot be one.
 */
export function modelSource(place: string): ModelSource {
  if (isOnHub(place)) return hubSource(place);
  return /^s3:\/\//i.test(place) ? objectSource(place) : fileSource(place);
}

function fileSource(path: string): ModelSource {
  return {
    path,
    interval: FILE_INTERVAL,
    signature: async () => {
      const found = await stat(path).catch(() => undefined);
      return found ? fileIdentity(found) : MISSING;
    },
    read: () => readClassifier(path),
  };
}

/** A repository on the hub. Its commit stays, so the first check is the only one that finds anything. */
function hubSource(place: string): ModelSource {
  return {
    interval: OBJECT_INTERVAL,
    signature: async () => (await classifierFile(place)).place,
    read: async () => readClassifier((await classifierFile(place)).path),
  };
}

function objectSource(address: string): ModelSource {
  const end = address.lastIndexOf('/');
  const key = address.slice(end + 1);
  const store = openStore(address.slice(0, end));
  return {
    interval: OBJECT_INTERVAL,
    signature: async () => (await store.find(key))?.tag ?? MISSING,
    // A newer object than that of the signature is an error, and the next check reads it.
    read: async (tag) => decodeClassifier(await store.read(key, tag === MISSING ? {} : { tag }), address),
  };
}
