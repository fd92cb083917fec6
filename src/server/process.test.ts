import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import sharp from 'sharp';
import { afterEach, beforeAll, describe, expect, it, vi } from 'vitest';
import { picture, workspace, writePictures } from '../classifier/fake-encoder.fixture.ts';
import { fit, load } from '../classifier/index.ts';
import { writeSmallEncoder } from '../encoder/small-encoder.fixture.ts';
import { type Answer, form, png, post } from './serve.fixture.ts';

const root = join(import.meta.dirname, '../..');

const started: ChildProcess[] = [];
afterEach(() => {
  for (const child of started.splice(0)) child.kill('SIGKILL');
});

/** Starts the real program, as a shell does. */
function start(...args: string[]) {
  const loader = new URL('../../tests/typescript.mjs', import.meta.url).href;
  const main = join(root, 'src/cli/main.ts');
  const child = spawn(process.execPath, ['--import', loader, main, 'serve', ...args]);
  started.push(child);
  let log = '';
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    log += text;
  });
  const ended = once(child, 'close').then(([status]) => ({ status: status as number | null, log }));
  return { child, ended };
}

/** The same, once it listens. */
async function serving(...args: string[]) {
  const { child, ended } = start(...args, '--port', '0');
  const [address] = (await once(createInterface(child.stdout), 'line')) as [string];
  return { child, ended, address };
}

describe('the process', { timeout: 300_000 }, () => {
  const at = workspace();
  const path = () => at('animals.safetensors');

  beforeAll(async () => {
    const encoder = at('encoder');
    await writeSmallEncoder(encoder);
    const data = await writePictures(at('data'), { cat: 2, dog: 2 });
    const classifier = await fit(data, { encoder, method: 'tip-adapter', tune: 'fixed' });
    await classifier.save(path());
    await classifier.close();
  });

  it.each(['SIGTERM', 'SIGINT', 'SIGHUP'] as const)(
    'answers what it has begun at %s, and logs nothing but JSON',
    async (signal) => {
      const { child, ended, address } = await serving(path(), '--deadline', '60');
      const large = await sharp({ create: { width: 2000, height: 2000, channels: 3, background: 'red' } })
        .png()
        .toBuffer();
      const names = Array.from({ length: 16 }, (_, i) => `secret-${i}.png`);
      const many = form(Object.fromEntries(names.map((name) => [name, large])));
      const asked = fetch(`${address}/v1/models/animals/predict`, { method: 'POST', body: many });
      await vi.waitFor(async () => {
        const metrics = await (await fetch(`${address}/metrics`)).text();
        expect(metrics).toMatch(/^tip_adapter_queue_pictures 16$/m);
      }, 10_000);
      // Under npx every signal comes twice.
      child.kill(signal);
      setTimeout(() => child.kill(signal), 20);
      const response = await asked;
      expect(response.status).toBe(200);
      expect(((await response.json()) as Answer).predictions).toHaveLength(16);
      const { status, log } = await ended;
      expect(status).toBe(0);
      const events = log
        .trimEnd()
        .split('\n')
        .map((line) => JSON.parse(line).event);
      expect([events[0], ...events.slice(-3)]).toEqual(['listening', 'stopping', 'request', 'stopped']);
      expect(log).not.toMatch(/secret/);
      await expect(fetch(address)).rejects.toThrow();
    },
  );

  it('answers what it has begun when its terminal closes, twice', async () => {
    const { child, ended, address } = await serving(path(), '--deadline', '60');
    const pictures = Object.fromEntries(
      await Promise.all(
        Array.from({ length: 16 }, async (_, i) => [`${i}.png`, await picture('cat', i)] as const),
      ),
    );
    const asked = fetch(`${address}/v1/models/animals/predict`, { method: 'POST', body: form(pictures) });
    await vi.waitFor(async () => {
      const metrics = await (await fetch(`${address}/metrics`)).text();
      expect(metrics).toMatch(/^tip_adapter_queue_pictures [1-9]/m);
    }, 10_000);
    child.stdout.destroy();
    child.stderr.destroy();
    child.kill('SIGHUP');
    setTimeout(() => child.kill('SIGHUP'), 700);
    expect((await asked).status).toBe(200);
    expect((await ended).status).toBe(0);
  });

  it('killed in the middle of changes, has lost nothing when it is back', async () => {
    let version = 1;
    for (let round = 0; round < 2; round++) {
      const { child, ended, address } = await serving(path());
      const change = async (number: number) => {
        const asked = png(await picture('cat', number));
        const answer = await fetch(`${address}/v1/models/animals/examples?label=cat`, asked);
        expect(answer.status).toBe(200);
        version = ((await answer.json()) as Answer).model.version;
      };
      await change(100 * round + 10);
      const changing = (async () => {
        for (let number = 100 * round + 11; ; number++) await change(number);
      })();
      setTimeout(() => child.kill('SIGKILL'), 40 + 50 * round);
      await expect(changing).rejects.toThrow();
      await ended;
      const { data } = await load(path());
      // The last change may have been on the disk before it could be answered.
      expect([version, version + 1]).toContain(data.version);
      expect(data.examples.length).toBe(data.version + 3);
      version = data.version;
    }
    const { address } = await serving(path());
    const { version: served } = (await (await fetch(`${address}/v1/models/animals`)).json()) as Answer;
    expect(served).toBe(version);
    const named = await fetch(
      `${address}/v1/models/animals/classes`,
      post('application/json', '{"name":"owl"}'),
    );
    expect(named.status).toBe(200);
  });

  it('does not start where everyone could ask, or where the port is taken', async () => {
    const open = await start(path(), '--host', '0.0.0.0').ended;
    expect([open.status, open.log]).toEqual([2, expect.stringContaining('it needs a token')]);
    const { address } = await serving(path());
    const taken = await start(path(), '--port', new URL(address).port).ended;
    expect([taken.status, taken.log]).toEqual([2, expect.stringContaining('is taken')]);
  });
});
