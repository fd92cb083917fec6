import { afterAll } from 'vitest';
import type { Classifier } from '../classifier/classifier.ts';
import { fakeEncoder, writePictures } from '../classifier/fake-encoder.fixture.ts';
import { fit } from '../classifier/fit.ts';
import type { Encoder } from '../encoder/types.ts';
import { createServer, type Server, type ServerOptions } from './server.ts';

/** A line of the log. */
interface Told {
  readonly level: string;
  readonly event: string;
  readonly [fact: string]: unknown;
}

export interface Served extends Server {
  readonly address: string;
  readonly told: readonly Told[];
  /** An answer's status, headers and JSON. */
  ask(path: string, init?: RequestInit): Promise<{ status: number; headers: Headers; json: Answer }>;
}

// biome-ignore lint/suspicious/noExplicitAny: what comes is what is tested.
export type Answer = any;

const open: Server[] = [];

/** Starts a server on a free port; it is closed after the file's tests. */
export async function serve(options: ServerOptions): Promise<Served> {
  const told: Told[] = [];
  const server = await createServer({
    port: 0,
    log: (level, event, facts) => told.push({ level, event, ...facts }),
    openEncoder: async () => fakeEncoder(),
    ...options,
  });
  open.push(server);
  const address = await server.listen();
  return {
    ...server,
    address,
    told,
    ask: async (path, init) => {
      const response = await fetch(`${address}${path}`, init);
      const text = await response.text();
      return {
        status: response.status,
        headers: response.headers,
        json: text ? JSON.parse(text) : undefined,
      };
    },
  };
}

afterAll(() => Promise.all(open.map((server) => server.close())));

/** Fits a classifier of cats, dogs and foxes and writes its file. */
export async function fitAnimals(folder: string, path: string): Promise<Classifier> {
  const data = await writePictures(folder, { cat: 3, dog: 3, fox: 3 });
  const classifier = await fit(data, { encoder: fakeEncoder(), tune: 'fixed', alpha: 2, beta: 4 });
  await classifier.save(path);
  return classifier;
}

/** The fake encoder, each batch taking so many milliseconds. */
export function slowEncoder(milliseconds: number): Encoder & { readonly batches: number[] } {
  const encoder = fakeEncoder();
  const batches: number[] = [];
  return {
    ...encoder,
    batches,
    embedImages: async (pixels, signal) => {
      batches.push(pixels.length);
      await new Promise((resolve) => setTimeout(resolve, milliseconds));
      return encoder.embedImages(pixels, signal);
    },
  };
}

/** A form with a file for each picture. */
export function form(pictures: Readonly<Record<string, Uint8Array>>): FormData {
  const body = new FormData();
  for (const [name, bytes] of Object.entries(pictures)) {
    body.append('picture', new Blob([bytes as Uint8Array<ArrayBuffer>]), name);
  }
  return body;
}

export const jpeg = (body: Uint8Array): RequestInit => ({
  method: 'POST',
  headers: { 'content-type': 'image/png' },
  body: body as Uint8Array<ArrayBuffer>,
});
