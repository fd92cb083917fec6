import { parseXml, XmlElement } from '@rgrove/parse-xml';
import type { Abortable } from '../abort.ts';
import { DataError, TipAdapterError, throwIfAborted } from '../errors.ts';
import { printable } from '../printable.ts';
import {
  backOff,
  type Fetch,
  isBusy,
  isPassing,
  MAX_FAILURES,
  type NetworkOptions,
  proxyFetch,
  reason,
} from './network.ts';
import { changedObject, complete, missingObject } from './object-store.ts';

/** One request to a store, which is sent again after failures that may pass. */
export interface StoreRequest extends Abortable {
  method: 'GET' | 'HEAD' | 'PUT' | 'POST' | 'DELETE';
  url: string;
  headers?: Record<string, string>;
  body?: Uint8Array;
  /** Statuses that the caller handles. All others are errors. */
  accept: readonly number[];
}

export interface StoreAnswer {
  status: number;
  headers: Headers;
  bytes: Uint8Array;
}

/** Signs a request. It is called for each attempt, because a signature has a time; `skew` is the server's clock minus this one's, in ms. */
export type Signer = (request: StoreRequest, skew: number) => Promise<Record<string, string>>;

export type Exchange = (request: StoreRequest) => Promise<StoreAnswer>;

/** Sends requests to a store with retries. `accessHint` is the hint of an error if the store denies access. */
export function exchangeWith(
  { fetch, retryDelay }: Pick<NetworkOptions, 'fetch' | 'retryDelay'>,
  accessHint: string,
  sign?: Signer,
): Exchange {
  let skew = 0;
  return async (request) => {
    const { method, url, headers = {}, body, signal, accept } = request;
    const send: Fetch = fetch ?? (await proxyFetch());
    for (let failures = 1; ; failures++) {
      throwIfAborted(signal);
      let response: Response | undefined;
      let failure: unknown;
      try {
        const signed = sign ? await sign(request, skew) : headers;
        response = await send(url, {
          method,
          headers: { 'accept-encoding': 'identity', ...signed },
          body: body as Uint8Array<ArrayBuffer> | undefined,
          redirect: sign ? 'manual' : 'follow',
          signal,
        });
        const bytes = new Uint8Array(await response.arrayBuffer());
        const answer = { status: response.status, headers: response.headers, bytes };
        if (accept.includes(answer.status)) return method === 'HEAD' ? answer : whole(answer, url);
        const { code, text } = saidBy(answer);
        const correction = code === 'RequestTimeTooSkewed' ? clockOf(response) : undefined;
        if (correction !== undefined && skew === 0) skew = correction;
        else if (!isBusy(answer.status) && answer.status !== 409)
          throw refused(request, answer, text, accessHint);
        failure = refused(request, answer, text, accessHint);
      } catch (error) {
        throwIfAborted(signal);
        const short = error instanceof TipAdapterError && error.code === 'store/incomplete';
        if (!short && !isPassing(error))
          throw error instanceof TipAdapterError ? error : unreachable(url, error);
        failure = short ? error : unreachable(url, error);
      }
      if (failures === MAX_FAILURES) throw failure;
      await backOff(failures, { signal, retryDelay }, response);
    }
  };
}

/** Checks the length of a body against the header, in case a proxy cut it without breaking the connection. */
function whole(answer: StoreAnswer, url: string): StoreAnswer {
  const length = answer.headers.get('content-length');
  if (length !== null && !answer.headers.has('content-encoding')) {
    complete(answer.bytes, Number(length), shown(url));
  }
  return answer;
}

/** A URL for messages, without user, password, query and fragment, because they may be secret. */
export function shown(url: string): string {
  const { protocol, host, pathname } = new URL(url);
  return `${protocol}//${host}${pathname}`;
}

/** The root element of a store's XML, or undefined. */
export function xmlOf(bytes: Uint8Array): XmlElement | undefined {
  try {
    return parseXml(new TextDecoder().decode(bytes)).root ?? undefined;
  } catch {
    return undefined;
  }
}

/** The text of the first child element of this name. */
export function textIn(element: XmlElement | undefined, name: string): string | undefined {
  return elementsIn(element, name)[0]?.text;
}

export function elementsIn(element: XmlElement | undefined, name: string): XmlElement[] {
  const children = element?.children ?? [];
  return children.filter((each): each is XmlElement => each instanceof XmlElement && each.name === name);
}

/** The code and message of a store's error, which may have come with a status of success. */
export function saidBy({ bytes }: StoreAnswer): { code?: string; text?: string } {
  const root = xmlOf(bytes);
  if (root?.name !== 'Error') return {};
  const code = textIn(root, 'Code');
  const message = textIn(root, 'Message');
  return { code, text: printable([code, message].filter(Boolean).join(': ').slice(0, 300)) };
}

/** The server's clock minus this one's, in milliseconds. */
function clockOf(response: Response): number | undefined {
  const date = Date.parse(response.headers.get('date') ?? '');
  return Number.isNaN(date) ? undefined : date - Date.now();
}

export function refused(
  { method, url }: Pick<StoreRequest, 'method' | 'url'>,
  { status, headers }: StoreAnswer,
  text: string | undefined,
  accessHint: string,
): DataError {
  const where = shown(url);
  const said = text ? ` (${text})` : '';
  const region = headers.get('x-amz-bucket-region');
  const details = { where, status };
  if (status === 404) return missingObject(`${where}${said}`);
  if (status === 412) return changedObject(where);
  if (status === 416) return changedObject(where);
  if (region && (status === 301 || status === 307 || status === 400)) {
    return new DataError(`${where} is in the region ${printable(region)}`, {
      code: 'store/region',
      hint: `Set AWS_REGION=${printable(region)}.`,
      details,
    });
  }
  if (status === 401 || status === 403) {
    return new DataError(`${where} denies access${said}`, {
      code: 'store/denied',
      hint: accessHint,
      details,
    });
  }
  return new DataError(`${where} answered ${method} with status ${status}${said}`, {
    code: 'store/refused',
    hint: 'Try again later. Finished work is kept.',
    details,
  });
}

function unreachable(url: string, cause: unknown): DataError {
  const { host } = new URL(url);
  return new DataError(`${host} cannot be reached: ${reason(cause)}`, {
    code: 'store/unreachable',
    hint: 'Check the connection, the address and AWS_ENDPOINT_URL. Finished work is kept.',
    details: { where: shown(url) },
    cause,
  });
}
