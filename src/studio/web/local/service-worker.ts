import { ask } from './handles.ts';

/**
 * The service worker of a studio without a program. It keeps the page's files for use without a network, and gives the page its stored
 * pictures. Its responses isolate the page, so that it may use threads on any host. The export puts the list of files in front of it.
 */

declare const STUDIO: {
  /** A name for this version of all files. */
  readonly version: string;
  /** The files of the page, each with its hash as in the attribute `integrity`. */
  readonly files: Readonly<Record<string, string>>;
  /** URL of the encoder's record, if the encoder is on another host. */
  readonly record?: string;
};

/** The part of a service worker's scope that is used here, which the DOM's types lack. */
interface Lifetime extends Event {
  waitUntil(done: Promise<unknown>): void;
}
interface Fetched extends Lifetime {
  readonly request: Request;
  respondWith(response: Promise<Response>): void;
}

const scope = new URL('./', location.href).href;
const cacheName = `tip-adapter-studio ${scope} ${STUDIO.version}`;
/** The cache of the records of other hosts, which no version of the page has in its files. */
const recordCache = `tip-adapter-studio-records ${scope}`;
const files = new Set(Object.keys(STUDIO.files).map((file) => scope + file));
/** The URLs of stored pictures begin with it, and with the studio's folder in the browser's storage. */
const storage = `${scope}stored/`;
const storedScope = `${storage}${encodeURIComponent(`tip-adapter-studio ${encodeURIComponent(new URL(scope).pathname)}`)}/`;

self.addEventListener('install', (event) => {
  // A file of another version, as during an upload, fails the installation. The next visit tries again.
  const requests = Object.entries(STUDIO.files).map(
    ([file, integrity]) => new Request(scope + file, { cache: 'no-cache', integrity }),
  );
  (event as Lifetime).waitUntil(caches.open(cacheName).then((cache) => cache.addAll(requests)));
});

self.addEventListener('activate', (event) => {
  (event as Lifetime).waitUntil(
    caches
      .keys()
      .then((names) =>
        Promise.all(
          names
            .filter((name) => name.startsWith(`tip-adapter-studio ${scope} `) && name !== cacheName)
            .map((name) => caches.delete(name)),
        ),
      ),
  );
});

self.addEventListener('fetch', (event) => {
  const { request, respondWith } = event as Fetched;
  if (request.method !== 'GET') return;
  const [address] = request.url.split(/[?#]/) as [string];
  const file = address === scope ? `${scope}index.html` : address;
  // Other projects may have pages below a studio at the root of an origin. Their requests go to the host.
  if (files.has(file)) respondWith.call(event, own(request, file));
  else if (file.startsWith(storedScope)) respondWith.call(event, stored(file));
  else if (request.url === STUDIO.record) respondWith.call(event, newest(request));
});

/** A file of the page. */
async function own(request: Request, file: string): Promise<Response> {
  const kept = await caches.match(file, { cacheName });
  return isolated(kept ?? (await fetch(request)));
}

/** The record of an encoder of another host: the host's if it sends one, else the last one. */
async function newest(request: Request): Promise<Response> {
  const cache = await caches.open(recordCache);
  try {
    const response = await fetch(request);
    if (!response.ok) return (await cache.match(request)) ?? response;
    // Without room for it, the record is still an answer.
    await cache.put(request, response.clone()).catch(() => {});
    return response;
  } catch (error) {
    const kept = await cache.match(request);
    if (kept) return kept;
    throw error;
  }
}

/** A picture of the browser's storage. */
async function stored(url: string): Promise<Response> {
  const path = url.slice(storage.length).split('/').map(decodeURIComponent);
  try {
    let folder = await navigator.storage.getDirectory();
    for (const name of path.slice(0, -1))
      folder = await ask(folder, (parent) => parent.getDirectoryHandle(name));
    const picture = await ask(folder, (parent) => parent.getFileHandle(path.at(-1) as string));
    const file = await ask(picture, (handle) => handle.getFile());
    return isolated(
      new Response(file, { headers: { 'cache-control': 'private, max-age=31536000, immutable' } }),
    );
  } catch {
    return new Response(null, { status: 404 });
  }
}

/** The response with the headers for threads. It is a new one, because a page cannot be opened from a redirected response. */
function isolated(response: Response): Response {
  if (response.status === 0) return response;
  const headers = new Headers(response.headers);
  headers.set('cross-origin-opener-policy', 'same-origin');
  headers.set('cross-origin-embedder-policy', 'require-corp');
  headers.set('cross-origin-resource-policy', 'same-origin');
  const { status, statusText } = response;
  return new Response(response.body, { status, statusText, headers });
}
