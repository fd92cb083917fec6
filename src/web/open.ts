import { UsageError } from '../errors.ts';
import { refuseUnknown } from '../options.ts';
import { describedValue } from '../words.ts';
import { WebClassifier } from './classifier.ts';
import { connect, noWorker } from './connection.ts';
import { loadMessages } from './messages.ts';
import type { DownloadProgress, Opening, WebDevice } from './protocol.ts';

/** Options of `open`. */
export interface OpenOptions {
  /** URL of the encoder's folder, for a classifier's file without its site. */
  encoder?: string | URL;
  /** Where the encoder computes (default `auto`: WebGPU if there is a GPU, else the CPU). Probabilities differ by at most 1e-3 on WebGPU. */
  device?: WebDevice;
  /** Threads of the CPU (default: one for each core). A page that is not cross-origin isolated has one. */
  threads?: number;
  /** URL of the folder with the files of `tip-adapter/dist/onnxruntime-web`, for bundlers that do not copy them. It ends with a slash. */
  runtime?: string | URL;
  /** Makes the worker, for bundlers that do not find its file: `() => new Worker(url, { type: 'module' })` with the bundle of `tip-adapter/web-worker`. */
  worker?: () => Worker;
  /** Whether the encoder is kept in the browser's Cache Storage (default true). */
  cache?: boolean;
  /** Receives the bytes of each file that is fetched, at the opening and later. */
  onDownload?(progress: DownloadProgress): void;
  /** Receives a line for the person, such as that the GPU was lost. The default is `console.warn`. */
  note?(line: string, code: string): void;
  signal?: AbortSignal;
}

/** The names of the options. */
const OPTIONS: readonly (keyof OpenOptions)[] = [
  'encoder',
  'device',
  'threads',
  'runtime',
  'worker',
  'cache',
  'onDownload',
  'note',
  'signal',
];

/**
 * Opens a classifier in a worker of its own: the URL of a folder that `tip-adapter export --to site` wrote, or a classifier's file (as URL,
 * File, Blob or bytes) with the URL of its encoder. Throws `ModelError` if something is missing, incomplete or of another encoder, and
 * `UsageError` for an option that does not exist or has another value.
 */
export async function open(
  source: string | URL | Blob | Uint8Array | ArrayBuffer,
  options: OpenOptions = {},
): Promise<WebClassifier> {
  refuseUnknown(options, OPTIONS);
  await loadMessages();
  const { device, threads, cache, worker = ownWorker, onDownload, signal } = options;
  const { note = (line) => console.warn(line) } = options;
  const opening: Opening = {
    ...(await contentOf(source)),
    encoder: options.encoder === undefined ? undefined : folderUrl(options.encoder),
    runtime: options.runtime === undefined ? undefined : folderUrl(options.runtime),
    values: { device, threads, cache },
  };
  const connection = connect(() => {
    try {
      return worker();
    } catch (cause) {
      throw noWorker(cause as Error);
    }
  }, note);
  try {
    return new WebClassifier(connection, await connection.call('open', [opening], { signal, onDownload }));
  } catch (error) {
    connection.close();
    throw error;
  }
}

function ownWorker(): Worker {
  // Bundlers recognise a Worker's file by exactly this expression.
  return new Worker(new URL('./worker.js', import.meta.url), { type: 'module' });
}

async function contentOf(source: Parameters<typeof open>[0]): Promise<Pick<Opening, 'site' | 'classifier'>> {
  if (source instanceof Blob) {
    const name = source instanceof File ? source.name : 'the file';
    return { classifier: { bytes: new Uint8Array(await source.arrayBuffer()), name } };
  }
  if (source instanceof Uint8Array) return { classifier: { bytes: source, name: 'the file' } };
  if (source instanceof ArrayBuffer)
    return { classifier: { bytes: new Uint8Array(source), name: 'the file' } };
  if (typeof source !== 'string' && !(source instanceof URL)) {
    throw new UsageError(`A classifier cannot be ${describedValue(source)}`, {
      code: 'web/source',
      hint: "Give a folder's URL, or a classifier's file as URL, File, Blob or bytes.",
    });
  }
  const url = new URL(source, base());
  return url.pathname.endsWith('.safetensors') ? { classifier: { url: url.href } } : { site: folderUrl(url) };
}

/** The absolute URL of a folder, with a slash at its end. */
function folderUrl(given: string | URL): string {
  const url = new URL(given, base());
  if (!url.pathname.endsWith('/')) url.pathname += '/';
  return url.href;
}

/** The address that relative ones start from: the page's, or in a worker that of its script. */
function base(): string {
  return typeof document === 'object' ? document.baseURI : location.href;
}
