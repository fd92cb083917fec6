import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import sharp from 'sharp';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { PHOTOS } from '../dataset/sample-photos.ts';
import { writeSmallEncoder } from '../encoder/small-encoder.fixture.ts';
import { type FakeHub, startFakeHub } from '../store/fake-hub.fixture.ts';
import { demonstrate } from './demo-comparison.ts';

const COLOURS = ['red', 'green', 'blue'];

/** Small photos in the layout of the pinned commit: `per` photos of each class in each split, with one colour for each class. */
async function repository(per: number): Promise<Record<string, Uint8Array>> {
  const files: Record<string, Uint8Array> = { 'credits.csv': new Uint8Array(3) };
  for (const split of ['train', 'val', 'test'])
    for (const [channel, name] of COLOURS.entries())
      for (let i = 0; i < per; i++) {
        const shade = (c: number) => (c === channel ? 255 - i : 3 * i + (split === 'val' ? 20 : 0));
        const background = { r: shade(0), g: shade(1), b: shade(2) };
        const picture = sharp({ create: { width: 40, height: 40, channels: 3, background } });
        files[`${split}/${name}/${String(i).padStart(3, '0')}.jpg`] = await picture.jpeg().toBuffer();
      }
  return files;
}

describe('the demo with an encoder that reads names', () => {
  let home: string;
  let encoder: string;
  let hub: FakeHub | undefined;
  beforeEach(async () => {
    home = await mkdtemp(join(tmpdir(), 'demo-'));
    encoder = await writeSmallEncoder(join(home, 'encoder'));
    vi.stubEnv('TIP_ADAPTER_HOME', home);
  });
  afterEach(async () => {
    vi.unstubAllEnvs();
    await hub?.close();
    await rm(home, { recursive: true });
  });

  const serve = async (per: number) => {
    const repo = { files: await repository(per), commit: PHOTOS.commit, lfs: () => false };
    hub = await startFakeHub({ [PHOTOS.repo]: repo });
    vi.stubEnv('HF_ENDPOINT', hub.endpoint);
    return hub;
  };

  it('compares the methods of the paper on photos of the pinned commit, and asks the hub once', async () => {
    const { requests } = await serve(12);
    const result = await demonstrate(undefined, { encoder });
    expect(result.rows.map(({ name }) => name)).toEqual([
      'Names alone',
      'Examples alone',
      'Tip-Adapter',
      'Tip-Adapter-F',
      'auto',
    ]);
    for (const { points } of result.rows.slice(1))
      expect(points.map(({ shots }) => shots)).toEqual([1, 2, 4]);
    expect([result.train, result.test.truth.length]).toEqual([3 * 4, 3 * 10]);
    expect(result.source.licence).toContain('CC BY 2.0');
    expect(requests.filter(({ path }) => path.includes('/resolve/')).length).toBe(3 * 14);
    await result.close();
    const asked = requests.length;
    await (await demonstrate(undefined, { encoder })).close();
    expect(requests.length).toBe(asked);
    expect(await readdir(join(home, 'samples'))).toEqual(['snacks']);
  });

  it('continues an interrupted download', async () => {
    const { requests, fail } = await serve(12);
    fail({ match: /resolve.*test\/blue\/009/, times: 100, status: 404 });
    vi.stubEnv('npm_config_registry', 'http://127.0.0.1:1');
    const notes: string[] = [];
    await expect(demonstrate(undefined, { encoder, note: (line) => notes.push(line) })).rejects.toThrow();
    expect(notes.join('\n')).toMatch(/009\.jpg.*The sample is drawings instead of photos/s);
    await hub?.close();
    const again = await serve(12);
    await (await demonstrate(undefined, { encoder })).close();
    const fetched = (list: typeof requests) =>
      list.filter(({ path, status }) => path.includes('/resolve/') && status === 200).length;
    expect(fetched(requests)).toBeGreaterThan(0);
    expect(fetched(again.requests)).toBeLessThan(3 * 14);
    expect(fetched(requests) + fetched(again.requests)).toBeGreaterThanOrEqual(3 * 14);
  });

  it('names a class that has too few photos', async () => {
    await serve(9);
    vi.stubEnv('npm_config_registry', 'http://127.0.0.1:1');
    const notes: string[] = [];
    await expect(demonstrate(undefined, { encoder, note: (line) => notes.push(line) })).rejects.toThrow();
    expect(notes.join('\n')).toContain('fewer than 10 photos in test/red, test/green, test/blue');
  });
});
