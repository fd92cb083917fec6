import { beforeAll, describe, expect, it } from 'vitest';
import { picture, workspace } from '../classifier/fake-encoder.fixture.ts';
import { writeSmallEncoder } from '../encoder/small-encoder.fixture.ts';
import { programs } from '../server/program.fixture.ts';
import { boardOnDisk } from './disk-journal.ts';

const { start, listening } = programs();

describe('the process', { timeout: 120_000 }, () => {
  const at = workspace();
  const options = (name: string) => ['--no-open', '--encoder', at('encoder'), '--workspace', at(name)];

  beforeAll(() => writeSmallEncoder(at('encoder')));

  it.each(['SIGTERM', 'SIGINT', 'SIGHUP'] as const)(
    'closes properly at %s, which comes twice under npx, and keeps its pictures',
    async (signal) => {
      const { child, ended, address } = await listening('studio', ...options(signal));
      const bytes = new Uint8Array(await picture('cat', 1));
      const kept = await fetch(`${address}/api/pictures?name=cat.png`, { method: 'POST', body: bytes });
      const { hash } = (await kept.json()) as { hash: string };
      const { version } = (await (await fetch(`${address}/api/board`)).json()) as { version: number };
      const changed = await fetch(`${address}/api/changes`, {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify({
          version,
          changes: [{ command: { do: 'add', pictures: [{ name: 'cat.png', hash }] } }],
        }),
      });
      expect(changed.status).toBe(200);
      child.kill(signal);
      setTimeout(() => child.kill(signal), 20);
      const { status, log } = await ended;
      expect(status).toBe(0);
      expect(log).not.toMatch(/error/);
      expect([...(await boardOnDisk(at(signal))).pictures.keys()]).toEqual([hash]);
    },
  );

  it('closes properly when its terminal closes', async () => {
    const { child, ended } = await listening('studio', ...options('terminal'));
    child.stdout.destroy();
    child.stderr.destroy();
    child.kill('SIGHUP');
    setTimeout(() => child.kill('SIGHUP'), 100);
    expect((await ended).status).toBe(0);
  });

  it('does not start if the port is in use, and reports it once', async () => {
    const { address } = await listening('studio', ...options('first'));
    const { status, log } = await start('studio', ...options('second'), '--port', new URL(address).port)
      .ended;
    expect(status).toBe(2);
    expect(log.split('\n')).toEqual([
      expect.stringMatching(/^error: .* is in use$/),
      expect.stringMatching(/^hint: /),
      expect.stringMatching(/^server\/listen: https:/),
      '',
    ]);
  });
});
