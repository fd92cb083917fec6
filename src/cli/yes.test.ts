import { mkdir, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import sharp from 'sharp';
import { afterAll, beforeAll, expect, it, vi } from 'vitest';
import { DEFAULT_CLIP, REGISTRY } from '../encoder/registry.ts';
import { type FakeHub, startFakeHub, startFakeRegistry } from '../store/fake-hub.fixture.ts';
import { recordingIo } from './io.fixture.ts';
import { runCli } from './program.ts';

let root: string;
let hub: FakeHub;
let registry: Awaited<ReturnType<typeof startFakeRegistry>>;
beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), 'yes-'));
  for (const background of ['red', 'blue']) {
    await mkdir(join(root, 'photos', background), { recursive: true });
    const picture = sharp({ create: { width: 40, height: 40, channels: 3, background } });
    await picture.png().toFile(join(root, 'photos', background, '0.png'));
  }
  // Other files than the pinned ones, so that the pull ends with an error before anything is installed.
  const { repo, revision: commit, sha256 } = REGISTRY.find(({ id }) => id === DEFAULT_CLIP)!;
  const files = Object.fromEntries(Object.keys(sha256!).map((path) => [path, '{}']));
  hub = await startFakeHub({ [repo!]: { files, commit } });
  vi.stubEnv('TIP_ADAPTER_HOME', join(root, 'home'));
  vi.stubEnv('HF_ENDPOINT', hub.endpoint);
  // The built-in encoder cannot be downloaded either: this registry has no package.
  registry = await startFakeRegistry({});
  vi.stubEnv('npm_config_registry', registry.endpoint);
});
afterAll(async () => {
  vi.unstubAllEnvs();
  await hub.close();
  await registry.close();
  await rm(root, { recursive: true });
});

const fit = async (options: readonly string[], ask?: (question: string) => Promise<boolean>) => {
  const io = recordingIo({ ask });
  await runCli(['fit', join(root, 'photos'), '-o', join(root, 'x.safetensors'), ...options], io);
  return io.err();
};

it('without a terminal a CLIP is downloaded only with --yes, which names its size first', async () => {
  const without = await fit([]);
  expect(without).toContain('Encoder: resnet50-minilm, the built-in one (not CLIP)');
  expect(hub.requests).toEqual([]);
  const withYes = await fit(['--yes']);
  expect(withYes).toContain('Encoder: clip-vit-b32-q4, a small CLIP (130 MB, licence MIT)');
  expect(withYes).toMatch(/has the sha256 .*, not /);
});

it('a terminal is asked with the size, and a yes downloads it', async () => {
  const asked: string[] = [];
  const accepted = await fit([], async (question) => asked.push(question) > 0);
  expect(asked[0]).toContain('clip-vit-b32-q4 (130 MB, licence MIT)');
  expect(accepted).toMatch(/has the sha256 .*, not /);
});
