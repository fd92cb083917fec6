import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { latestVersion } from '../store/npm.ts';
import { version } from '../version.ts';
import { updateNotice } from './update-notice.ts';

const HOUR = 3_600_000;
let home: string;
beforeEach(() => {
  home = mkdtempSync(join(tmpdir(), 'tip-adapter-updates-'));
  vi.stubEnv('TIP_ADAPTER_HOME', home);
});
afterEach(() => {
  vi.unstubAllEnvs();
  rmSync(home, { recursive: true, force: true });
});

describe('the note about a newer version', () => {
  it('asks once a day and reports only newer versions', async () => {
    const ask = vi.fn(async () => '99.0.0');
    const line = `Version 99.0.0 of tip-adapter is out (this is ${version}): npm install tip-adapter@latest`;
    expect(await updateNotice({ now: 0, ask })).toBe(line);
    expect(await updateNotice({ now: 23 * HOUR, ask })).toBe(line);
    expect(ask).toHaveBeenCalledTimes(1);
    for (const latest of ['0.0.9', version]) {
      ask.mockResolvedValue(latest);
      expect(
        await updateNotice({ now: 100 * HOUR + Number(latest === version) * 100 * HOUR, ask }),
      ).toBeUndefined();
    }
    expect(ask).toHaveBeenCalledTimes(3);
  });

  it('is absent if the registry fails or does not answer within a second; the registry is not asked again that day', async () => {
    const failing = vi.fn(async () => Promise.reject(new Error('no network')));
    expect(await updateNotice({ now: 0, ask: failing })).toBeUndefined();
    expect(await updateNotice({ now: HOUR, ask: failing })).toBeUndefined();
    expect(failing).toHaveBeenCalledTimes(1);
    const started = performance.now();
    expect(await updateNotice({ now: 48 * HOUR, ask: () => new Promise(() => {}) })).toBeUndefined();
    expect(performance.now() - started).toBeLessThan(5000);
  });

  it('is absent if the home cannot be written or holds something else', async () => {
    writeFileSync(join(home, 'newest-version.json'), '[');
    expect(await updateNotice({ now: 0, ask: async () => version })).toBeUndefined();
    writeFileSync(join(home, 'file'), '');
    vi.stubEnv('TIP_ADAPTER_HOME', join(home, 'file', 'below'));
    expect(await updateNotice({ now: 0, ask: async () => '99.0.0' })).toBeUndefined();
  });

  it("asks the registry in npm's settings", async () => {
    const asked: string[] = [];
    const registry = createServer((request, response) => {
      asked.push(request.url!);
      response.end(JSON.stringify({ name: 'tip-adapter', version: '98.7.6' }));
    });
    await new Promise<void>((resolve) => registry.listen(0, '127.0.0.1', resolve));
    vi.stubEnv('npm_config_registry', `http://127.0.0.1:${(registry.address() as AddressInfo).port}/npm/`);
    // The first request loads the client, which may take longer than the note waits.
    expect(await latestVersion('tip-adapter', {})).toBe('98.7.6');
    expect(await updateNotice()).toContain('98.7.6');
    expect(asked).toEqual(['/npm/tip-adapter/latest', '/npm/tip-adapter/latest']);
    registry.closeAllConnections();
    registry.close();
  });
});
