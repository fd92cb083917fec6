import { type ChildProcess, spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdir, mkdtemp, rm } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { homedir, tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { AwsClient } from 'aws4fetch';

/** The path of a program in the PATH or in one of the other folders. */
export function findProgram(name: string, ...others: string[]): string | undefined {
  return [...(process.env.PATH ?? '').split(delimiter), ...others]
    .map((folder) => join(folder, name))
    .find((path) => existsSync(path));
}

const versitygw = findProgram('versitygw', join(homedir(), 'go', 'bin'));
const moto = findProgram('moto_server', '/tmp/venv/bin');

/** The server with the S3 protocol that the tests use; undefined if there is none. */
export const s3Program = versitygw ?? moto;

/** The reason of a skip, for the name of a test. */
export const S3_SKIP = s3Program ? '' : ' (skipped: this needs versitygw or moto_server)';

export interface S3Server {
  /** What a store needs to use it. */
  env: Record<string, string>;
  createBucket(name: string): Promise<void>;
  close(): Promise<void>;
}

/** Starts versitygw, or else moto, on a free port. */
export async function startS3(): Promise<S3Server> {
  const port = await freePort();
  const folder = await mkdtemp(join(tmpdir(), 'tip-adapter-s3-'));
  const env = {
    AWS_ACCESS_KEY_ID: 'test-key',
    AWS_SECRET_ACCESS_KEY: 'test-secret',
    AWS_ENDPOINT_URL: `http://127.0.0.1:${port}`,
    AWS_REGION: 'us-east-1',
  };
  await mkdir(join(folder, 'data'));
  await mkdir(join(folder, 'meta'));
  const server = versitygw
    ? spawn(
        versitygw,
        [
          '--port',
          `127.0.0.1:${port}`,
          '--quiet',
          'posix',
          '--sidecar',
          join(folder, 'meta'),
          join(folder, 'data'),
        ],
        {
          env: { ROOT_ACCESS_KEY: env.AWS_ACCESS_KEY_ID, ROOT_SECRET_KEY: env.AWS_SECRET_ACCESS_KEY },
          stdio: 'ignore',
        },
      )
    : spawn(moto!, ['--host', '127.0.0.1', '--port', String(port)], { stdio: 'ignore' });
  await listening(server, port);
  const client = new AwsClient({
    accessKeyId: env.AWS_ACCESS_KEY_ID,
    secretAccessKey: env.AWS_SECRET_ACCESS_KEY,
    service: 's3',
    region: env.AWS_REGION,
  });
  return {
    env,
    async createBucket(name) {
      const { ok, status } = await client.fetch(`${env.AWS_ENDPOINT_URL}/${name}`, { method: 'PUT' });
      if (!ok) throw new Error(`the bucket was not made: status ${status}`);
    },
    async close() {
      const ended = new Promise((resolve) => server.once('exit', resolve));
      server.kill();
      await ended;
      await rm(folder, { recursive: true, force: true });
    },
  };
}

export async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await new Promise((resolve) => server.once('listening', resolve));
  const { port } = server.address() as AddressInfo;
  await new Promise((resolve) => server.close(resolve));
  return port;
}

async function listening(server: ChildProcess, port: number): Promise<void> {
  for (let attempt = 0; attempt < 300; attempt++) {
    if (server.exitCode !== null) break;
    if (await fetch(`http://127.0.0.1:${port}/`).catch(() => undefined)) return;
    await sleep(50);
  }
  throw new Error('the S3 server did not start');
}
