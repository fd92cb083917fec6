import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { createConnection } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { findProgram, freePort } from '../store/s3-server.fixture.ts';

export const redisProgram = findProgram('redis-server', '/usr/sbin') ?? findProgram('valkey-server');

/** The reason of a skip, for the name of a test. */
export const REDIS_SKIP = redisProgram ? '' : ' (skipped: this needs redis-server)';

/** A Redis with an append-only file, which can be stopped and started. */
export class RedisServer {
  readonly address: string;
  readonly #port: number;
  readonly #folder: string;
  readonly #options: readonly string[];
  #server?: ChildProcess;

  private constructor(port: number, folder: string, options: readonly string[]) {
    this.address = `redis://127.0.0.1:${port}`;
    this.#port = port;
    this.#folder = folder;
    this.#options = options;
  }

  static async start(...options: string[]): Promise<RedisServer> {
    const folder = await mkdtemp(join(tmpdir(), 'tip-adapter-redis-'));
    const server = new RedisServer(await freePort(), folder, options);
    await server.start();
    return server;
  }

  async start(): Promise<void> {
    const always = ['--appendonly', 'yes', '--appendfsync', 'always', '--save', '', '--bind', '127.0.0.1'];
    this.#server = spawn(
      redisProgram!,
      ['--port', String(this.#port), '--dir', this.#folder, ...always, ...this.#options],
      { stdio: 'ignore' },
    );
    while (!(await answers(this.#port))) await sleep(20);
  }

  /** Ends the server as a power failure does. */
  async stop(): Promise<void> {
    const server = this.#server;
    if (!server) return;
    this.#server = undefined;
    const ended = new Promise((resolve) => server.once('exit', resolve));
    server.kill('SIGKILL');
    await ended;
  }

  async close(): Promise<void> {
    await this.stop();
    await rm(this.#folder, { recursive: true, force: true });
  }
}

/** Whether a server listens on the port and has read its file. */
function answers(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = createConnection(port, '127.0.0.1');
    const end = (well: boolean) => {
      socket.destroy();
      resolve(well);
    };
    socket.on('error', () => end(false));
    socket.on('data', (data) => end(!`${data}`.includes('LOADING')));
    socket.write('PING\r\n');
  });
}
