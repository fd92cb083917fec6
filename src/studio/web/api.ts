import type { BoardJson } from '../board.ts';
import type { Change } from '../history.ts';
import type { HeldOut, Kept } from '../pictures.ts';
import type {
  CheckReport,
  Guess,
  MethodFacts,
  NextPicture,
  Problem,
  Projects,
  SearchMap,
  Status,
  Trial,
} from '../status.ts';

/** A problem that the program reported. */
export class ApiError extends Error {
  readonly status: number;
  readonly problem: Problem;

  constructor(status: number, problem: Problem) {
    super(problem.message);
    this.name = 'ApiError';
    this.status = status;
    this.problem = problem;
  }
}

async function ask<T>(path: string, init?: RequestInit): Promise<T> {
  const response = await fetch(`./api/${path}`, init);
  if (!response.ok) throw new ApiError(response.status, await problemIn(response));
  return response.json() as Promise<T>;
}

/** Made from problem details (RFC 9457). */
export async function problemIn(response: Response): Promise<Problem> {
  const {
    code = 'http',
    detail: message = response.statusText,
    hint,
  } = await response.json().catch(() => ({}));
  return { code, message, hint };
}

const post = <T>(path: string, body: unknown) =>
  ask<T>(path, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify(body),
  });

const send = <T>(path: string, body: Blob) => ask<T>(path, { method: 'POST', body });

export const api = {
  /** Whether the program answers. */
  isThere: () =>
    ask('methods').then(
      () => true,
      () => false,
    ),
  board: () => ask<{ version: number; board: BoardJson }>('board'),
  change: (version: number, changes: readonly Change[]) =>
    post<{ version: number }>('changes', { version, changes }),
  methods: () => ask<MethodFacts[]>('methods'),
  answerDownload: (download: boolean) => post('encoder', { download }),
  answerUpgrade: (download: boolean) => post('upgrade', { download }),
  projects: () => ask<Projects>('projects'),
  changeProject: (wanted: { do: 'create' | 'duplicate'; name: string } | { do: 'open'; id: string }) =>
    post<Projects>('projects', wanted),
  sample: () => post('sample', {}),
  samples: () => ask<string[]>('samples'),
  /** The addresses of this computer that a phone may reach. */
  networkAddresses: () => ask<string[]>('phone'),
  openToPhone: (address: string, classId: string) => post('phone', { open: true, address, classId }),
  closeToPhone: () => post('phone', { open: false }),
  stop: () => post('stop', {}),
  pause: (paused: boolean) => post('pause', { paused }),
  keep: (name: string, picture: Blob) => send<Kept>(`pictures?name=${encodeURIComponent(name)}`, picture),
  keepZip: (name: string, zip: Blob) =>
    send<(Kept | HeldOut)[]>(`zips?name=${encodeURIComponent(name)}`, zip),
  try: (picture: Blob) => send<Trial>('try', picture),
  /** The answer includes the pictures of `kept`, which the person is looking at. */
  next: (kept: readonly string[]) => ask<NextPicture[]>(`next?kept=${kept.join(',')}`),
  guesses: () => ask<Guess[]>('guesses'),
  preview: async (picture: Blob): Promise<Blob> => {
    const response = await fetch('./api/preview', { method: 'POST', body: picture });
    if (!response.ok) throw new ApiError(response.status, await problemIn(response));
    return response.blob();
  },
  map: () => ask<SearchMap | null>('map'),
  size: () => ask<number>('classifier/size'),
  check: () => ask<CheckReport | null>('check'),
  events: () => new EventSource('./api/events'),
};

export const sampleUrl = (thing: string) => `./api/samples/${thing}`;
export const previewUrl = (hash: string) => `./api/pictures/${hash}`;
export const thumbnailUrl = (hash: string) => `./api/thumbnails/${hash}`;

export type { CheckReport, HeldOut, Kept, MethodFacts, NextPicture, Problem, SearchMap, Status, Trial };
