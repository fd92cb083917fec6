import { randomBytes } from 'node:crypto';
import type { Server } from 'node:http';
import { networkInterfaces } from 'node:os';
import { serveStatic } from '@hono/node-server/serve-static';
import { Hono } from 'hono';
import { DataError, UsageError } from '../errors.ts';
import { httpServer, listen } from '../server/http.ts';
import type { ServerEnv } from '../server/observe.ts';
import { checked } from '../server/parse.ts';
import { Refusal } from '../server/problem.ts';
import { answerHeaders, hostGuard, originGuard, tokenGuard } from '../server/security.ts';
import type { Board } from './board.ts';
import type { Change } from './history.ts';
import { changeSchema } from './journal.ts';
import type { Pictures } from './pictures.ts';
import { limited, MOST_PICTURE, PAGE_POLICY, tellProblem } from './route-tools.ts';
import type { PhoneStatus } from './status.ts';

/** The board and the pictures that a phone adds to. */
interface Collection {
  readonly board: Board;
  readonly pictures: Pictures;
  change(change: Change): Promise<unknown>;
}

/** The address at which the server listens, and the class that its page shows first. */
export interface PhoneServerOptions {
  /** One of `networkAddresses()`. */
  readonly address: string;
  /** The class that the phone's page chooses at first. */
  readonly classId?: string;
  /** Folder of the built page. */
  readonly page: string;
}

/**
 * Receives pictures from a phone in the same network. It is closed until a person opens it. Then it listens at one address of this
 * computer, at any free port, and answers only with the phone's page and, to requests with its token, with the names of the classes and
 * to new pictures. Each opening has another token.
 */
export class PhoneServer {
  readonly #collection: Collection;
  readonly #tell: () => void;
  #server?: Server;
  #status?: PhoneStatus;
  /** Openings and closings run one after the other, so that no server is left behind. */
  #turn: Promise<unknown> = Promise.resolve();

  constructor(collection: Collection, tell: () => void) {
    this.#collection = collection;
    this.#tell = tell;
  }

  get status(): PhoneStatus | undefined {
    return this.#status;
  }

  /** Listens, in place of an address where it listened before. Throws `UsageError` if the address is not one of this computer in a network. */
  open(options: PhoneServerOptions): Promise<void> {
    const { address } = options;
    if (!networkAddresses().includes(address)) {
      throw new UsageError(`${address} is not an address of this computer in a network`, {
        code: 'studio/no-network',
        hint: 'Connect this computer to the network of the phone.',
        details: { address },
      });
    }
    return this.#inTurn(async () => {
      await this.#shut();
      await this.#listen(options);
    });
  }

  /** Stops listening at once. A picture that has not arrived by then is lost. */
  close(): Promise<void> {
    return this.#inTurn(() => this.#shut());
  }

  #inTurn(work: () => Promise<void>): Promise<void> {
    const done = this.#turn.then(work);
    this.#turn = done.catch(() => {});
    return done;
  }

  async #listen({ address, classId, page }: PhoneServerOptions): Promise<void> {
    const token = randomBytes(16).toString('base64url');
    const server = httpServer(this.#app(token, page), LIMITS);
    const url = await listen(server, address, 0);
    this.#server = server;
    this.#status = { url: `${url}/#${token}`, classId, arrived: 0 };
    this.#tell();
  }

  async #shut(): Promise<void> {
    const server = this.#server;
    if (!server) return;
    this.#server = undefined;
    this.#status = undefined;
    const closed = new Promise((resolve) => server.close(resolve));
    server.closeAllConnections();
    await closed;
    this.#tell();
  }

  #app(token: string, page: string): Hono<ServerEnv> {
    const app = new Hono<ServerEnv>();
    app.onError(tellProblem);
    app.notFound(() => {
      throw new Refusal(404, 'The path does not exist', { code: 'studio/not-found' });
    });
    app.use(answerHeaders(PAGE_POLICY));
    app.use(hostGuard([]), originGuard([]));
    app.get('/', serveStatic({ root: page, path: 'phone.html' }));
    app.get('/icon.svg', serveStatic({ root: page }));
    app.get('/assets/*', serveStatic({ root: page }));
    app.use(tokenGuard(token));
    app.get('/classes', (c) =>
      c.json({ classes: this.#collection.board.classes, chosen: this.#status?.classId }),
    );
    app.post('/pictures', limited(MOST_PICTURE), async (c) => {
      const { name = '', class: classId = '' } = c.req.query();
      return c.json(await this.#add(name, classId, new Uint8Array(await c.req.arrayBuffer())));
    });
    return app;
  }

  /** Puts a picture on the board. Throws `UsageError` if the class is not there, and `DataError` if the picture cannot be read. */
  async #add(name: string, classId: string, bytes: Uint8Array): Promise<{ isNew: boolean }> {
    const { pictures } = this.#collection;
    if (!this.#collection.board.classes.some(({ id }) => id === classId)) {
      throw new UsageError('The class is not in the studio', {
        code: 'studio/no-class',
        hint: 'Choose a class of the list.',
        details: { classId },
      });
    }
    const kept = await pictures.keep(name, bytes);
    if ('problem' in kept) {
      const { code, message, hint } = kept.problem;
      throw new DataError(message, { code, hint });
    }
    const { hash } = kept;
    const isNew = !this.#collection.board.pictures.has(hash);
    const command = { do: 'add', pictures: [{ hash, name, classId }] };
    await this.#collection.change(checked(changeSchema, { command }, 'The picture'));
    if (isNew && this.#status) {
      this.#status = { ...this.#status, arrived: this.#status.arrived + 1 };
      this.#tell();
    }
    return { isNew };
  }
}

/**
 * A photo may come through a slow network. Broken requests of strangers are answered. They are not logged, because this server has no log.
 */
const LIMITS = { headersTimeout: 10_000, requestTimeout: 300_000, idleTimeout: 60_000, onBroken: () => {} };

/** Home networks first, then those of firms and of virtual machines. */
const USUAL = [/^192\.168\./, /^10\./, /^172\.(1[6-9]|2\d|3[01])\./];
const rank = (address: string) => {
  const at = USUAL.findIndex((range) => range.test(address));
  return at < 0 ? USUAL.length : at;
};

/** The IPv4 addresses of this computer in its networks, the most usual for a phone first. */
export function networkAddresses(): string[] {
  return Object.values(networkInterfaces())
    .flatMap((own = []) => own)
    .filter(
      ({ family, internal, address }) => family === 'IPv4' && !internal && !address.startsWith('169.254.'),
    )
    .map(({ address }) => address)
    .sort((a, b) => rank(a) - rank(b));
}
