import { Worker } from 'node:worker_threads';
import { EXTENSION, FLAGS } from '../own-programs.ts';
import { count } from '../words.ts';

const THREAD = new URL(`./parquet-worker${EXTENSION}`, import.meta.url);

/** Rows of one column of a file. */
export interface Range {
  column: string;
  start: number;
  end: number;
}

/** The description of a Parquet file. */
export interface Description {
  rows: number;
  /** The row groups, with the uncompressed sizes of the columns of pictures in bytes. */
  groups: { rows: number; sizes: Map<string, number> }[];
  /** All columns. */
  columns: string[];
  /** The columns that hold encoded pictures. */
  images: string[];
  /** Columns with one value in each row that are not pictures. */
  scalars: string[];
  /** Names of the values of `ClassLabel` columns. */
  names: ReadonlyMap<string, readonly string[]>;
  /** Texts of the file's metadata by their keys. */
  metadata: ReadonlyMap<string, string>;
}

/** A question about a file, which is given by its absolute path or its bytes. The same key means the same file. */
export interface Request {
  key: number;
  source: string | Uint8Array;
  /** Asks for the description, or for the texts, pictures or numbers of a range. */
  ask: 'description' | (Range & { of: 'texts' | 'pictures' | 'numbers' });
}

export type Answer = Description | string[] | (Uint8Array | undefined)[];

/** Longest time of one request, to which a millisecond is added for each KiB. A damaged file can make the decoder run without an end. */
const LONGEST_MS = 60_000;

/** A damaged file can also claim any number of values. */
const MEMORY_MB = 1024;

/** A thread that decodes Parquet files, one request after the other. */
export class ParquetThread {
  readonly #longest: number;
  #worker: Worker | undefined;
  /** Rejects the answer that is waited for. */
  #fail: (error: Error) => void = () => {};
  #before: Promise<unknown> = Promise.resolve();

  constructor(longest = LONGEST_MS) {
    this.#longest = longest;
  }

  /** The answer to a request about `bytes` of the file. Throws an `Error` that says what is wrong with the file. */
  ask(request: Request, bytes = 0): Promise<Answer> {
    const answer = this.#before.then(() => this.#ask(request, this.#longest + bytes / 1024));
    this.#before = answer.catch(() => undefined);
    return answer;
  }

  /** Ends the thread. A later request starts another. */
  async end(): Promise<void> {
    const worker = this.#worker;
    this.#worker = undefined;
    await worker?.terminate();
  }

  #start(): Worker {
    const resourceLimits = { maxOldGenerationSizeMb: MEMORY_MB, maxYoungGenerationSizeMb: 8 };
    const worker = new Worker(THREAD, { execArgv: FLAGS, resourceLimits });
    worker.on('error', (cause: NodeJS.ErrnoException) => {
      this.#worker = undefined;
      this.#fail(failed(cause));
    });
    return worker;
  }

  async #ask(request: Request, longest: number): Promise<Answer> {
    this.#worker ??= this.#start();
    const worker = this.#worker;
    worker.ref();
    let timer: NodeJS.Timeout | undefined;
    try {
      return await new Promise<Answer>((resolve, reject) => {
        this.#fail = reject;
        const late = async () => {
          await this.end();
          reject(new Error(`its decoding did not end within ${count(Math.ceil(longest / 1000), 'second')}`));
        };
        // If this thread was busy itself, the answer may be waiting.
        timer = setTimeout(() => setImmediate(late), longest);
        worker.once('message', ({ value, error }: { value: Answer; error?: string }) => {
          if (error === undefined) resolve(value);
          else reject(new Error(error));
        });
        worker.postMessage(request);
      });
    } finally {
      clearTimeout(timer);
      worker.removeAllListeners('message');
      worker.unref();
    }
  }
}

function failed(cause: NodeJS.ErrnoException): Error {
  if (cause.code !== 'ERR_WORKER_OUT_OF_MEMORY') return cause;
  return new Error(`its decoding needs more than ${MEMORY_MB} MiB of memory`, { cause });
}

let shared: ParquetThread | undefined;

/** The thread of this process. It starts at the first use and does not keep the program alive. */
export function parquetThread(): ParquetThread {
  shared ??= new ParquetThread();
  return shared;
}
