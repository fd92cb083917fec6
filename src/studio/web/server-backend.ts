import type { Change } from '../history.ts';
import { ApiError, type Backend, type Problem } from './api.ts';

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

/** The program that served the page. */
export const serverBackend: Backend = {
  hasProgram: true,
  isThere: () =>
    ask('methods').then(
      () => true,
      () => false,
    ),
  board: () => ask('board'),
  change: (version: number, changes: readonly Change[]) => post('changes', { version, changes }),
  methods: () => ask('methods'),
  answerDownload: (download) => post('encoder', { download }),
  answerUpgrade: (download) => post('upgrade', { download }),
  projects: () => ask('projects'),
  changeProject: (wanted) => post('projects', wanted),
  sampleSource: async () => 'npm',
  sample: () => post('sample', {}),
  samples: () => ask('samples'),
  networkAddresses: () => ask('phone'),
  openToPhone: (address, classId) => post('phone', { open: true, address, classId }),
  closeToPhone: () => post('phone', { open: false }),
  stop: () => post('stop', {}),
  pause: (paused) => post('pause', { paused }),
  keep: (name, picture) => send(`pictures?name=${encodeURIComponent(name)}`, picture),
  keepZip: (name, zip) => send(`zips?name=${encodeURIComponent(name)}`, zip),
  try: (picture) => send('try', picture),
  next: (kept) => ask(`next?kept=${kept.join(',')}`),
  guesses: () => ask('guesses'),
  preview: async (picture) => {
    const response = await fetch('./api/preview', { method: 'POST', body: picture });
    if (!response.ok) throw new ApiError(response.status, await problemIn(response));
    return response.blob();
  },
  map: () => ask('map'),
  size: () => ask('classifier/size'),
  check: () => ask('check'),
  follow(told) {
    const events = new EventSource('./api/events');
    events.onopen = () => told.onOpen();
    events.onmessage = ({ data }) => told.onStatus(JSON.parse(data));
    events.onerror = () => {
      told.onCut();
      // If the program ended, the stream does not reconnect by itself, so a new one is opened.
      if (events.readyState === EventSource.CLOSED) setTimeout(() => this.follow(told), 1000);
    };
  },
  exportUrl: (what) => `./api/${what}`,
  export: () => Promise.reject(new Error('The program exports by its URLs')),
  sampleUrl: (thing) => `./api/samples/${thing}`,
  previewUrl: (hash) => `./api/pictures/${hash}`,
  thumbnailUrl: (hash) => `./api/thumbnails/${hash}`,
};
