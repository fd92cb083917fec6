import { existsSync } from 'node:fs';
import { mkdir, readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setImmediate as turn } from 'node:timers/promises';
import { afterAll, beforeAll, expect, it, vi } from 'vitest';
import { picture, workspace, writeFiles } from '../src/classifier/fake-encoder.fixture.ts';
import { recordingIo } from '../src/cli/io.fixture.ts';
import { runCli } from '../src/cli/program.ts';
import { listEncoders } from '../src/encoder/installed.ts';
import { pullEncoder } from '../src/encoder/pull.ts';
import { writeSmallEncoder } from '../src/encoder/small-encoder.fixture.ts';
import { exportWeb } from '../src/export/web-page.ts';
import { type Classifier, fit } from '../src/index.ts';
import { type FakeHub, startFakeHub } from '../src/store/fake-hub.fixture.ts';

/** Milliseconds in which work ends whose signal fires, on a machine that does other things. */
const LIMIT = 5_000;

const at = workspace();
let hub: FakeHub;
let classifier: Classifier;

beforeAll(async () => {
  const encoder = await writeSmallEncoder(at('encoder'));
  const names = await readdir(encoder);
  const files = await Promise.all(
    names.map(async (name) => [name, await readFile(join(encoder, name))] as const),
  );
  hub = await startFakeHub({ 'tiny/pair': { files: Object.fromEntries(files) } });
  vi.stubEnv('HF_ENDPOINT', hub.endpoint);
  const pictures: Record<string, Buffer> = {};
  for (const kind of ['cat', 'dog'])
    for (let i = 0; i < 6; i++) pictures[`${kind}/${i}.png`] = await picture(kind, i);
  const photos = await writeFiles(at('photos'), pictures);
  classifier = await fit(photos, { encoder, method: 'prototype', tune: 'fixed' });
});
afterAll(async () => {
  await classifier.close();
  await hub.close();
  vi.unstubAllEnvs();
});

/** A signal that is fired once, and the time since then. */
function stop() {
  const control = new AbortController();
  let fired = Number.NaN;
  return {
    signal: control.signal,
    fire() {
      if (control.signal.aborted) return;
      fired = performance.now();
      control.abort();
    },
    late: () => performance.now() - fired,
  };
}

it('bench keeps finished cells and writes no table', async () => {
  const { signal, fire, late } = stop();
  const progress = (name: string) => ({
    update: ({ done }: { done: number }) => void (name === 'bench' && done > 0 && fire()),
    done() {},
  });
  const line = ['bench', at('photos'), '--encoders', at('encoder'), '--methods', 'zero-shot,prototype'];
  const argv = [...line, '--shots', '1,2', '-o', at('bench')];
  const io = recordingIo({ signal, progress });
  expect([await runCli(argv, io), io.err()]).toEqual([130, expect.stringContaining('Interrupted')]);
  expect(late()).toBeLessThan(LIMIT);
  expect(await readdir(at('bench'))).toEqual(['cells']);
  const cells = await readdir(at('bench', 'cells'));
  expect(cells.length).toBeGreaterThan(0);
  for (const name of cells) JSON.parse(await readFile(at('bench', 'cells', name), 'utf8'));
  expect(await runCli(argv, recordingIo())).toBe(0);
});

it('the web export stops soon, and works afterwards', async () => {
  await mkdir(at('page'));
  for (const part of ['page.js', 'page.css']) await writeFile(at('page', part), '');
  const { signal, fire, late } = stop();
  const exported = exportWeb(classifier, { page: at('page'), signal });
  await turn();
  fire();
  await expect(exported).rejects.toMatchObject({ code: 'interrupted' });
  expect(late()).toBeLessThan(LIMIT);
  expect((await exportWeb(classifier, { page: at('page') })).difference).toBeLessThan(1e-4);
});

it('a pull leaves no encoder, and the next one continues', async () => {
  const { signal, fire, late } = stop();
  await expect(pullEncoder('hf:tiny/pair', { signal, onProgress: fire })).rejects.toMatchObject({
    code: 'interrupted',
  });
  expect(late()).toBeLessThan(LIMIT);
  expect(await listEncoders()).toEqual([]);
  const { folder } = await pullEncoder('hf:tiny/pair');
  expect(existsSync(join(folder, 'encoder.json'))).toBe(true);
});
