import { once } from 'node:events';
import { createInterface } from 'node:readline';
import sharp from 'sharp';
import { beforeAll, describe, expect, it, vi } from 'vitest';
import { picture, workspace, writePictures } from '../classifier/fake-encoder.fixture.ts';
import { fit, load } from '../classifier/index.ts';
import { writeSmallEncoder } from '../encoder/small-encoder.fixture.ts';
import { decodersOf, isRunning, memoryOf } from '../image/decoders.fixture.ts';
import { pngOf } from '../image/png.fixture.ts';
import { programs } from './program.fixture.ts';
import { type Answer, form, png, post } from './serve.fixture.ts';

const { start, listening } = programs();
const serving = (...args: string[]) => listening('serve', ...args, '--port', '0');

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
    'finishes running requests at %s, and logs only JSON',
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

  it('answers running requests when its terminal closes, also if it closes twice', async () => {
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

  it('continues to serve if no one reads stdout', async () => {
    const { child, ended } = start('serve', path(), '--port', '0');
    child.stdout.destroy();
    const [line] = (await once(createInterface(child.stderr), 'line')) as [string];
    const { event, address } = JSON.parse(line);
    expect(event).toBe('listening');
    expect((await fetch(`${address}/healthz`)).status).toBe(200);
    child.kill('SIGTERM');
    expect((await ended).status).toBe(0);
  });

  it('has lost nothing after it was killed in the middle of changes', async () => {
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

  it('answers others in time while pictures come that take seconds to decode or unpack to gigabytes', async () => {
    const { child, address } = await serving(path());
    const ask = (bytes: Uint8Array, milliseconds = 10_000, signal?: AbortSignal) =>
      fetch(`${address}/v1/models/animals/predict`, {
        method: 'POST',
        body: bytes,
        headers: { 'content-type': 'image/png', 'x-deadline-ms': String(milliseconds) },
        signal,
      });
    const cat = await picture('cat', 1);
    expect((await ask(cat)).status).toBe(200);
    const bomb = pngOf({ width: 8, height: 8, colourType: 2, texts: 20, bytesOfText: 50_000_000 });
    const bombs = await Promise.all(Array.from({ length: 6 }, () => ask(bomb)));
    expect(bombs.map(({ status }) => status)).toEqual(Array(6).fill(200));
    const large = await sharp({ create: { width: 7000, height: 7000, channels: 3, background: 'red' } })
      .png({ progressive: true })
      .toBuffer();
    const slow = await Promise.all(Array.from({ length: 6 }, () => ask(large, 300)));
    expect(slow.every(({ status }) => status === 504 || status === 503)).toBe(true);
    const began = performance.now();
    expect((await ask(cat)).status).toBe(200);
    expect(performance.now() - began).toBeLessThan(5000);
    if (process.platform !== 'linux') return;
    // Work ends with its request, also if the client has gone.
    const leaving = new AbortController();
    const left = ask(large, 10_000, leaving.signal).catch(() => {});
    const pid = await vi.waitFor(() => {
      const busy = decodersOf(child.pid).find((one) => memoryOf(one) > 130e6);
      return busy ?? expect.fail('no decoder is at work');
    }, 5000);
    leaving.abort();
    await left;
    await vi.waitFor(() => expect(isRunning(pid)).toBe(false), 1000);
    const decoders = decodersOf(child.pid);
    child.kill('SIGKILL');
    await vi.waitFor(() => expect(decoders.filter(isRunning)).toEqual([]), 2000);
  });

  it('does not start if other machines could send requests without a token, or if the port is in use', async () => {
    const open = await start('serve', path(), '--host', '0.0.0.0').ended;
    expect([open.status, open.log]).toEqual([2, expect.stringContaining('needs a token')]);
    const { address } = await serving(path());
    const taken = await start('serve', path(), '--port', new URL(address).port).ended;
    expect(taken.status).toBe(2);
    // The server never ran, so nothing is logged about its end.
    expect(taken.log.split('\n')).toEqual([
      expect.stringMatching(/^error: .* is in use$/),
      expect.stringMatching(/^hint: /),
      expect.stringMatching(/^server\/listen: https:/),
      '',
    ]);
  });
});
