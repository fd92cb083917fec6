import { describe, expect, it } from 'vitest';
import { serveWorkerStatus } from './worker-status.ts';

const counts = {
  ...{
    connected: true,
    busy: 1,
    shards: 2,
    pictures: 4000,
    rows: 500,
    failures: 3,
    bytes: 5e6,
    seconds: 81.5,
    failed: 1,
  },
};

describe('the status of a worker', () => {
  it('is its health and its metrics, without an answer of Redis too', async () => {
    const worker = { counts, queued: async () => ({ waiting: 7, active: 1 }) };
    const status = await serveWorkerStatus(worker, { host: '127.0.0.1', port: 0 });
    const ask = (path: string, method = 'GET') => fetch(status.address + path, { method });
    expect(await (await ask('/healthz')).json()).toEqual({ status: 'ok', redis: true });
    const metrics = await (await ask('/metrics')).text();
    expect(metrics).toContain('\ntip_adapter_worker_pictures_total 4000\n');
    expect(metrics).toContain('\ntip_adapter_worker_rows_total 500\n');
    expect(metrics).toContain('\ntip_adapter_queue_shards{state="waiting"} 7\n');
    worker.queued = () => new Promise(() => {});
    const without = await (await ask('/metrics')).text();
    expect(without).toContain('tip_adapter_worker_busy 1');
    expect(without).not.toContain('tip_adapter_queue_shards');
    expect((await ask('/')).status).toBe(404);
    expect((await ask('/metrics', 'POST')).status).toBe(405);
    await status.close();
  });
});
