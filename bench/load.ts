import { readFileSync } from 'node:fs';
import autocannon from 'autocannon';

/** The load that the process of this file puts on a server: a number of requests, or a rate for a duration. */
export interface Load {
  readonly url: string;
  /** Files to send in turn, one with each request. */
  readonly pictures: readonly string[];
  readonly connections: number;
  readonly amount?: number;
  readonly rate?: number;
  readonly seconds?: number;
}

export interface LoadResult {
  /** From the first request to the last answer. */
  readonly seconds: number;
  /** Answers per second while every connection had a pending request, so without the first and the last request of each. */
  readonly saturated: number;
  /** Milliseconds of each answer, by its status. */
  readonly took: Readonly<Record<string, readonly number[]>>;
  /** Requests without an answer. */
  readonly errors: number;
  /** Seconds of computing of the process that sends. */
  readonly cpu: number;
}

const headers = { 'content-type': 'application/octet-stream' };

async function send({ url, pictures, connections, amount, rate, seconds }: Load): Promise<LoadResult> {
  const requests = pictures.map((path) => ({ method: 'POST' as const, headers, body: readFileSync(path) }));
  const took: Record<string, number[]> = {};
  const ends: number[] = [];
  const before = process.cpuUsage();
  const started = performance.now();
  let last = started;
  const { errors, timeouts } = await new Promise<autocannon.Result>((resolve, reject) => {
    const until = amount ? { amount } : { overallRate: rate, duration: seconds };
    const options = { url, connections, requests, timeout: 60, ...until };
    const instance = autocannon(options, (error, result) => (error ? reject(error) : resolve(result)));
    instance.on('response', (_, status, __, milliseconds) => {
      last = performance.now();
      ends.push(last);
      took[status] ??= [];
      took[status].push(milliseconds);
    });
  });
  const [from, to] = [connections, ends.length - 1 - connections];
  const saturated = to > from ? ((to - from) * 1000) / (ends[to]! - ends[from]!) : Number.NaN;
  const { user, system } = process.cpuUsage(before);
  const cpu = (user + system) / 1e6;
  return { seconds: (last - started) / 1000, saturated, took, errors: errors + timeouts, cpu };
}

process.on('message', async (load: Load) => process.send?.(await send(load)));
process.on('disconnect', () => process.exit());
