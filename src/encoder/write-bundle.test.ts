import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, it, vi } from 'vitest';
import { unbundle } from './bundle.ts';
import { writeSmallClip } from './clip/small-clip.fixture.ts';
import { loadEncoder } from './load.ts';
import { bundleEncoder } from './write-bundle.ts';

const root = mkdtempSync(join(tmpdir(), 'write-bundle-'));
vi.stubEnv('TIP_ADAPTER_HOME', join(root, 'home'));
afterAll(() => {
  vi.unstubAllEnvs();
  rmSync(root, { recursive: true, force: true });
});

it('writes an encoder in a folder, which another machine has under the same name', async () => {
  const folder = writeSmallClip(join(root, 'clip'), { names: 'hub', parts: true });
  const encoder = await loadEncoder(folder);
  const texts = await encoder.embedTexts?.(['a cat.']);
  const bundle = join(root, 'carried.zip');
  expect(await bundleEncoder(`${folder}+pre-projection`, bundle)).toBeGreaterThan(1e4);
  rmSync(folder, { recursive: true });
  vi.stubEnv('TIP_ADAPTER_HOME', join(root, 'other home'));
  const { record } = await unbundle(bundle);
  expect(record).toMatchObject({ id: folder, fingerprint: encoder.fingerprint });
  const carried = await loadEncoder(encoder.id, { pull: false });
  expect(carried.fingerprint).toBe(encoder.fingerprint);
  expect(await carried.embedTexts?.(['a cat.'])).toEqual(texts);
  await Promise.all([encoder.close(), carried.close()]);
});

it.each([
  ['hf:me/clip', 'encoder/not-here', 'tip-adapter encoders pull hf:me/clip'],
  ['hf:me/clip+resnet50-minilm', 'encoder/joined', 'parts one by one'],
  ['./nowhere', 'encoder/no-folder', 'Check the path'],
  ['clip-vit-b23', 'encoder/unknown', 'clip-vit-b32'],
])('says what to do about %s', async (name, code, hint) => {
  await expect(bundleEncoder(name, join(root, 'none.zip'))).rejects.toMatchObject({
    code,
    hint: expect.stringContaining(hint),
  });
});
