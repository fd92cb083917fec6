import { concatBytes } from '../bytes.ts';
import { ModelError, throwIfAborted } from '../errors.ts';
import { createSha256 } from '../sha256.ts';
import { count } from '../words.ts';

/** The content that a record states for a file. */
interface Stated {
  readonly bytes: number;
  readonly sha256: string;
}

/** How files are fetched. */
export interface Downloads {
  /** Receives the bytes of a file so far. */
  onDownload?(progress: { file: string; received: number; total?: number }): void;
  /** Receives one line if files cannot be kept for the next time. */
  note(line: string, code: string): void;
  /** Whether files of encoders are kept in the browser's Cache Storage. */
  readonly cache: boolean;
  readonly signal?: AbortSignal;
}

/** Name of the cache in the browser's Cache Storage. */
const CACHE = 'tip-adapter';

/**
 * The bytes at a URL. Throws `ModelError` `web/not-found` or `web/network`, and `web/incomplete` if they are not those that `stated` names;
 * `InterruptedError` if the signal fires.
 */
export async function download(
  url: string,
  file: string,
  { onDownload, signal }: Pick<Downloads, 'onDownload' | 'signal'>,
  stated?: Stated,
): Promise<Uint8Array<ArrayBuffer>> {
  throwIfAborted(signal);
  const failed = (why: string, cause?: unknown) => {
    throwIfAborted(signal);
    return new ModelError(`${url} cannot be fetched: ${why}`, {
      code: 'web/network',
      hint: 'Check the connection, and that the host allows this page to read the file (CORS).',
      details: { url },
      cause,
    });
  };
  const missing = (why: string) =>
    new ModelError(`${url} ${why}`, {
      code: 'web/not-found',
      hint: 'Check the URL. If the folder was uploaded, upload all of it.',
      details: { url },
    });
  // The browser asks the host whether its copy is new, so that a folder that was uploaded again is not read in part from before.
  const response = await fetch(url, { signal, cache: 'no-cache' }).catch((cause: Error) => {
    throw failed(cause.message, cause);
  });
  if (!response.ok) throw missing(`answers with status ${response.status}`);
  const parts: Uint8Array[] = [];
  let received = 0;
  try {
    for await (const part of response.body as unknown as AsyncIterable<Uint8Array>) {
      parts.push(part);
      received += part.length;
      onDownload?.({ file, received, total: stated?.bytes });
    }
  } catch (cause) {
    throw failed((cause as Error).message, cause);
  }
  const bytes = concatBytes(parts);
  if (isPage(bytes))
    throw missing('is a web page, with which the host answers for a file that it does not have');
  const wrong = stated && (await difference(bytes, stated));
  if (!wrong) return bytes;
  throw new ModelError(`${url} is not the file that was exported: ${wrong}`, {
    code: 'web/incomplete',
    hint: 'The upload may not be finished, or is of another export. Upload the whole folder again. If it is whole, a service worker or a cache before the host has an older copy.',
    details: { url, expected: stated.bytes, actual: received },
  });
}

/** The same for a file of an encoder, which is kept under the encoder's fingerprint, so that other classifiers and visits need no download. */
export async function downloadOnce(
  url: string,
  file: string,
  fingerprint: string,
  stated: Stated,
  downloads: Downloads,
): Promise<Uint8Array<ArrayBuffer>> {
  const cache =
    downloads.cache && typeof caches === 'object'
      ? await caches.open(CACHE).catch(() => undefined)
      : undefined;
  const key = keyOf(fingerprint, stated);
  const kept = await cache?.match(key).catch(() => undefined);
  if (kept) {
    const bytes = new Uint8Array(await kept.arrayBuffer());
    if (!(await difference(bytes, stated))) {
      downloads.onDownload?.({ file, received: bytes.length, total: bytes.length });
      return bytes;
    }
  }
  const bytes = await download(url, file, downloads, stated);
  await cache?.put(key, new Response(bytes)).catch((error: Error) => {
    const why =
      error.name === 'QuotaExceededError' ? 'this browser gives the page no room for it' : error.message;
    downloads.note(`The encoder is not kept for the next visit: ${why}`, 'web/quota');
  });
  return bytes;
}

/** Whether a file of an encoder is kept in the browser. */
export async function isDownloaded(fingerprint: string, stated: Stated): Promise<boolean> {
  const kept = await caches.match(keyOf(fingerprint, stated), { cacheName: CACHE }).catch(() => undefined);
  return kept !== undefined;
}

/** Whether bytes begin as a web page. No file of a site does. */
function isPage(bytes: Uint8Array): boolean {
  return /^\s*<(!doctype|!--|html)/i.test(new TextDecoder().decode(bytes.subarray(0, 64)));
}

const keyOf = (fingerprint: string, { sha256 }: Stated) =>
  `https://tip-adapter.invalid/${fingerprint}/${sha256}`;

/** How bytes differ from the stated ones, in words; undefined if they are equal. */
async function difference(
  bytes: Uint8Array<ArrayBuffer>,
  { bytes: size, sha256 }: Stated,
): Promise<string | undefined> {
  if (bytes.length !== size)
    return `it has ${count(bytes.length, 'byte')} instead of ${size.toLocaleString('en')}`;
  // The browser's own hash, which is faster, needs a secure context.
  const hash = crypto.subtle
    ? [...new Uint8Array(await crypto.subtle.digest('SHA-256', bytes))]
        .map((byte) => byte.toString(16).padStart(2, '0'))
        .join('')
    : createSha256().update(bytes).digest('hex');
  return hash === sha256 ? undefined : 'its bytes are others';
}
