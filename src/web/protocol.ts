import type { RefitValues } from '../classifier/refit.ts';
import type { Removal } from '../classifier/remove.ts';
import type { Explanation, Prediction, Progress } from '../classifier/types.ts';
import {
  DataError,
  type ErrorOptions,
  InterruptedError,
  ModelError,
  TipAdapterError,
  UsageError,
} from '../errors.ts';
import type { ClassifierInfo } from './info.ts';

export const WEB_DEVICES = ['auto', 'webgpu', 'cpu'] as const;
/** Where the worker computes: `auto` takes WebGPU if there is a GPU, else the CPU. */
export type WebDevice = (typeof WEB_DEVICES)[number];

/** Bytes of a download so far. `total` is known if the site's records state it. */
export interface DownloadProgress {
  /** The file, relative to its folder. */
  readonly file: string;
  readonly received: number;
  readonly total?: number;
}

/** A picture as it goes to the worker. */
export type SentPicture = { readonly id?: string } & (
  | { readonly kind: 'file'; readonly file: Blob }
  | { readonly kind: 'bitmap'; readonly bitmap: ImageBitmap }
  | { readonly kind: 'frame'; readonly frame: VideoFrame }
  | {
      readonly kind: 'pixels';
      readonly width: number;
      readonly height: number;
      readonly data: Uint8Array | Uint8ClampedArray;
    }
);

/** What the worker opens: the URL of a site's folder, or a classifier's bytes or URL with the URL of its encoder's folder. */
export interface Opening {
  readonly site?: string;
  readonly classifier?: { readonly url: string } | { readonly bytes: Uint8Array; readonly name: string };
  readonly encoder?: string;
  readonly runtime?: string;
  /** Options as they were given, which the worker checks. */
  readonly values: { readonly device?: WebDevice; readonly threads?: number; readonly cache?: boolean };
}

/** The calls to the worker. `of` is the number of a classifier. */
export interface Calls {
  open(opening: Opening): Opened;
  predict(
    of: number,
    pictures: readonly SentPicture[],
    options: { reject?: number },
  ): (Prediction | Unread)[];
  explain(of: number, picture: SentPicture, options: { reject?: number; examples?: number }): Explanation;
  add(of: number, examples: readonly { picture: SentPicture; label: string }[]): Opened;
  remove(of: number, removal: Removal): Opened;
  refit(of: number, values: RefitValues): Opened;
  withReject(of: number, reject: number): Opened;
  bytes(of: number): Uint8Array<ArrayBuffer>;
}

/** A picture without an answer. */
export interface Unread {
  readonly image: string;
  readonly failed: SentError;
}

/** A classifier that the worker holds. */
export interface Opened {
  readonly classifier: number;
  readonly info: ClassifierInfo;
  readonly device: 'webgpu' | 'cpu';
}

export type Asked =
  | { [K in keyof Calls]: { id: number; call: K; given: Parameters<Calls[K]> } }[keyof Calls]
  | { abort: number }
  | { release: number };

export type Told =
  | { id: number; value: unknown }
  | { id: number; failed: SentError }
  | { id: number; download: DownloadProgress }
  | { id: number; pictures: Progress }
  | { note: string; code: string };

/** An error on its way between threads. */
export interface SentError {
  readonly kind: string;
  readonly message: string;
  readonly code?: string;
  readonly hint?: string;
  readonly details?: Record<string, unknown>;
}

const KINDS: Readonly<Record<string, new (message: string, options: ErrorOptions) => TipAdapterError>> = {
  DataError,
  ModelError,
  UsageError,
};

export function sentError(error: unknown): SentError {
  const { name: kind, message, code, hint, details } = error as TipAdapterError;
  return error instanceof TipAdapterError
    ? { kind, message, code, hint, details }
    : { kind: 'Error', message: String(message ?? error) };
}

/** The error that was sent, in the words of `translate` if it has any. */
export function receivedError(
  { kind, message, code, hint, details }: SentError,
  translate: (code: string, details: Record<string, unknown>) => string | undefined,
): Error {
  if (code === undefined) return new Error(message);
  if (kind === 'InterruptedError') return new InterruptedError();
  const Kind = KINDS[kind] ?? TipAdapterError;
  const own = translate(code, details ?? {});
  return new Kind(own ?? message, { code, hint: own === undefined ? hint : undefined, details });
}
