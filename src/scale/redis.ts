import type { Redis, RedisOptions } from 'ioredis';
import { type Abortable, waitFor } from '../abort.ts';
import { DataError, systemCode, UsageError } from '../errors.ts';
import { printable } from '../printable.ts';
import { reason } from '../store/network.ts';
import type { RedisSettings } from './redis-settings.ts';

/** The oldest Redis whose commands are used (SMISMEMBER, ZMSCORE); Valkey calls itself 7.2. */
const OLDEST = [6, 2];

/** Milliseconds in which the first connection has to succeed. Later losses are waited out. */
const FIRST_CONNECTION = 15_000;

/** Milliseconds without a byte from Redis after which a connection counts as cut. A worker's longest wait for a job is shorter. */
const SILENCE = 8_000;

/** Host, port, database and TLS of `redis://host:6379/0` or `rediss://…`. Throws `UsageError` `queue/address`. */
export function parseRedisAddress(address: string): Pick<RedisOptions, 'host' | 'port' | 'db' | 'tls'> {
  const url = URL.canParse(address) ? new URL(address) : undefined;
  const database = /^\/?(\d{0,5})$/.exec(url?.pathname ?? '');
  const secret = url && (url.username || url.password || url.search || url.hash);
  if (!url || !database || secret || !/^rediss?:$/.test(url.protocol) || !url.hostname) {
    throw new UsageError(
      secret
        ? 'The address of Redis has a user, a password or a query in it, which lists of processes show'
        : 'This is not an address of the form redis://host:6379',
      {
        code: 'queue/address',
        hint: 'Give redis://host:port, or rediss://host:port for TLS, and set TIP_ADAPTER_REDIS_USER and TIP_ADAPTER_REDIS_PASSWORD.',
      },
    );
  }
  return {
    host: url.hostname.replace(/^\[|\]$/g, ''),
    port: Number(url.port || 6379),
    db: Number(database[1] || 0),
    ...(url.protocol === 'rediss:' && { tls: {} }),
  };
}

/**
 * Connects to Redis, and checks its version. Commands wait while the connection is lost. Throws `UsageError` `queue/address` or
 * `queue/packages`, and `DataError` `queue/unreachable`, `queue/denied`, `queue/certificate` or `queue/version`.
 */
export async function connectRedis(
  address: string,
  { env = process.env, onConnection }: RedisSettings = {},
  { signal }: Abortable = {},
): Promise<Redis> {
  const place = parseRedisAddress(address);
  const Redis = await redisClient();
  const client = new Redis({
    ...place,
    username: env.TIP_ADAPTER_REDIS_USER || undefined,
    password: env.TIP_ADAPTER_REDIS_PASSWORD || undefined,
    lazyConnect: true,
    maxRetriesPerRequest: null,
    connectTimeout: 5_000,
    keepAlive: 2_000,
    socketTimeout: SILENCE,
    retryStrategy: (times) => Math.min(100 * 2 ** times, 2_000),
  });
  try {
    await waitFor(firstConnection(client, address), signal);
    checkServer(await waitFor(client.info(), signal), address);
  } catch (error) {
    client.disconnect();
    throw error;
  }
  let lost = false;
  const tell = (why: string | undefined) => {
    if ((why !== undefined) === lost) return;
    lost = why !== undefined;
    onConnection?.(why);
  };
  client.on('error', (error) => tell(reason(error)));
  // Not `close`, which is also the end of a client that is not needed any more.
  client.on('reconnecting', () => tell('the connection was closed'));
  client.on('ready', () => tell(undefined));
  return client;
}

/**
 * The client of Redis. It and BullMQ, which the queue imports later, are for the user to install: most users have no queue, and BullMQ
 * brings a package with an install script. Throws `UsageError` `queue/packages`.
 */
async function redisClient(): Promise<typeof Redis> {
  try {
    const [ioredis] = await Promise.all([import('ioredis'), import('bullmq')]);
    return ioredis.Redis;
  } catch (error) {
    if (systemCode(error) !== 'ERR_MODULE_NOT_FOUND') throw error;
    throw new UsageError('A queue needs the packages bullmq and ioredis, and they are not installed', {
      code: 'queue/packages',
      hint: 'Install them beside this package: npm install bullmq@6 ioredis@6',
      cause: error,
    });
  }
}

/** Resolves when the connection is there. A failure that waiting does not mend is thrown at once. */
function firstConnection(client: Redis, address: string): Promise<void> {
  return new Promise((resolve, reject) => {
    let last: unknown = new Error('it does not answer');
    const late = setTimeout(() => end(unreachable(address, last)), FIRST_CONNECTION);
    const end = (error?: Error) => {
      clearTimeout(late);
      client.off('error', failed);
      client.off('ready', ready);
      // Errors after the first connection are heard by the caller, and a client without a listener would print them.
      client.on('error', () => {});
      if (error) reject(error);
      else resolve();
    };
    const ready = () => end();
    const failed = (error: unknown) => {
      last = error;
      const lasting = lastingFailure(address, error);
      if (lasting) end(lasting);
    };
    client.on('error', failed);
    client.on('ready', ready);
    client.connect().catch(failed);
  });
}

/** The error of a failure that waiting does not mend: a wrong password, a missing right, a refused certificate, an unknown host. */
function lastingFailure(address: string, error: unknown): Error | undefined {
  const { message } = error as Error;
  const code = systemCode(error) ?? '';
  if (/^(WRONGPASS|NOAUTH|NOPERM|ERR invalid password|ERR AUTH|ERR Client sent AUTH)/.test(message)) {
    return new DataError(`${address} denies access: ${printable(message)}`, {
      code: 'queue/denied',
      hint: 'Set TIP_ADAPTER_REDIS_USER and TIP_ADAPTER_REDIS_PASSWORD, and give the user the rights that the documentation lists.',
      details: { address },
    });
  }
  if (/CERT|SELF_SIGNED|ERR_TLS|ERR_SSL|EPROTO|UNABLE_TO/.test(code)) {
    return new DataError(`${address} has no certificate that this machine trusts: ${printable(message)}`, {
      code: 'queue/certificate',
      hint: 'Check the host name, and set NODE_EXTRA_CA_CERTS to the file of its certificate authority.',
      details: { address },
    });
  }
  if (/RESP type|^Protocol error/.test(message)) return unreachable(address, new Error('it is not Redis'));
  if (['ENOTFOUND', 'ECONNREFUSED'].includes(code)) return unreachable(address, error);
  return undefined;
}

function unreachable(address: string, cause: unknown): DataError {
  return new DataError(`${address} cannot be reached: ${printable(reason(cause))}`, {
    code: 'queue/unreachable',
    hint: 'Check that Redis runs, its address and the network. For TLS, the address begins with rediss://.',
    details: { address },
    cause,
  });
}

/** Refuses a Redis that is too old or that may forget jobs when its memory is full. */
function checkServer(info: string, address: string): void {
  const version = /^redis_version:(\S+)/m.exec(info)?.[1] ?? '';
  const policy = /^maxmemory_policy:(\S+)/m.exec(info)?.[1] ?? 'noeviction';
  const [major = 0, minor = 0] = version.split('.').map(Number);
  if (version && (major < OLDEST[0]! || (major === OLDEST[0] && minor < OLDEST[1]!))) {
    throw new DataError(`${address} is Redis ${version}, and ${OLDEST.join('.')} is needed`, {
      code: 'queue/version',
      hint: `Use Redis ${OLDEST.join('.')} or later, or Valkey.`,
      details: { address, version },
    });
  }
  if (policy !== 'noeviction') {
    throw new DataError(`${address} may forget jobs when its memory is full (maxmemory-policy ${policy})`, {
      code: 'queue/eviction',
      hint: 'Set maxmemory-policy to noeviction.',
      details: { address, policy },
    });
  }
}
