import { readFile, writeFile } from 'node:fs/promises';
import { connect } from 'node:net';
import { afterAll, beforeAll } from 'vitest';
import type { Classifier } from '../classifier/classifier.ts';
import { fakeEncoder, picture, workspace, writePictures } from '../classifier/fake-encoder.fixture.ts';
import { fit } from '../classifier/fit.ts';
import type { Encoder } from '../encoder/types.ts';
import type { ModelFile } from './model-registry.ts';
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
  /** Sends a request, and returns the answer's status, headers and JSON. */
  ask(path: string, init?: RequestInit): Promise<{ status: number; headers: Headers; json: Answer }>;
}

// biome-ignore lint/suspicious/noExplicitAny: an answer may have any type, which the tests check.
export type Answer = any;

const open: Server[] = [];

/** Starts a server on a free port. It is closed after the tests of a file that calls `fittedAnimals`. */
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

/**
 * A classifier of cats, dogs and foxes for a file of tests, its file, and pictures that it has not seen. Also closes the file's servers: this
 * module is loaded once for all files of a process, so a hook outside a function would be that of the first file alone.
 */
export function fittedAnimals() {
  afterAll(() => Promise.all(open.splice(0).map((server) => server.close())));
  const at = workspace();
  const made = {} as {
    classifier: Classifier;
    file: Buffer;
    cat: Buffer;
    dog: Buffer;
    /** The library's prediction for the picture of the cat. */
    answer: string;
    /** A copy of the file, for tests that change it. */
    copy(name: string): Promise<ModelFile>;
  };
  beforeAll(async () => {
    const data = await writePictures(at('data'), { cat: 3, dog: 3, fox: 3 });
    const classifier = await fit(data, { encoder: fakeEncoder(), tune: 'fixed', alpha: 2, beta: 4 });
    await classifier.save(at('fitted.safetensors'));
    const file = await readFile(at('fitted.safetensors'));
    const cat = await picture('cat', 7);
    const answer = (await classifier.predict([cat])).predictions[0]!.name;
    const copy = async (name: string) => {
      const path = at(`${name}.safetensors`);
      await writeFile(path, file);
      return { name: 'animals', path };
    };
    Object.assign(made, { classifier, file, cat, dog: await picture('dog', 7), answer, copy });
  });
  return made;
}

/** The path of their predictions. */
export const PREDICT = '/v1/models/animals/predict';

/** The fake encoder with a delay for each batch, in milliseconds. */
export function slowEncoder(milliseconds: number): Encoder & { readonly batches: number[] } {
  const encoder = fakeEncoder();
  const batches: number[] = [];
  return {
    ...encoder,
    batches,
    embedImages: async (pixels, work) => {
      batches.push(pixels.length);
      await new Promise((resolve) => setTimeout(resolve, milliseconds));
      return encoder.embedImages(pixels, work);
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

/** Sends bytes over a socket, and resolves with all received text when the socket is closed. */
export function raw(address: string, bytes: string | Uint8Array): Promise<string> {
  const { hostname, port } = new URL(address);
  return new Promise((resolve, reject) => {
    let received = '';
    const socket = connect(Number(port), hostname, () => socket.write(bytes));
    socket.on('data', (data) => {
      received += data;
    });
    socket.on('close', () => resolve(received)).on('error', reject);
  });
}

export const post = (type: string, body: string | Uint8Array): RequestInit => ({
  method: 'POST',
  headers: { 'content-type': type },
  body: body as Uint8Array<ArrayBuffer>,
});

export const png = (body: Uint8Array) => post('image/png', body);
