import { existsSync, readFileSync } from 'node:fs';
import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest';
import { createEngine } from '../engine/node.ts';
import type { Engine } from '../engine/types.ts';
import { normalize } from '../image/preprocess.ts';
import { type Matrix, matrix } from '../math/matrix.ts';
import { random } from '../math/random.ts';
import { floatTensor } from '../math/tensor.ts';
import { sha256 } from '../sha256.ts';
import { commitOf, type FakeHub, startFakeHub } from '../store/fake-hub.fixture.ts';
import { parseSafetensors } from '../store/safetensors.ts';
import { unbundle } from './bundle.ts';
import { describeEncoder } from './describe.ts';
import { encoderFolder, listEncoders, removeEncoder } from './installed.ts';
import { loadEncoder } from './load.ts';
import { pullEncoder } from './pull.ts';
import { bundleEncoder } from './write-bundle.ts';

const shared = new URL('../../../shared/', import.meta.url);
const exported = new URL('golden/tiny_clip_onnx/', shared);
const golden = new URL('golden/tiny_clip_vit/', shared);
const tokenizer = new URL('data/tokenizer/tokenizer.json', shared);

const NAME = 'hf:tiny/clip';

function exportedFiles(): Record<string, Uint8Array> {
  const read = (name: string) => new Uint8Array(readFileSync(new URL(name, exported)));
  return {
    'config.json': read('config.json'),
    'preprocessor_config.json': read('preprocessor_config.json'),
    'tokenizer.json': new Uint8Array(readFileSync(tokenizer)),
    'onnx/vision_model.onnx': read('vision_model.onnx'),
    'onnx/text_model.onnx': read('text_model.onnx'),
    'README.md': new TextEncoder().encode('not needed'),
  };
}

function largestGap(a: Matrix, b: Matrix): number {
  expect([a.rows, a.cols]).toEqual([b.rows, b.cols]);
  return a.data.reduce((gap, value, i) => Math.max(gap, Math.abs(value - b.data[i]!)), 0);
}

function reference(name: string): Matrix {
  const { tensors } = parseSafetensors(readFileSync(new URL('outputs.safetensors', golden)));
  const { shape, data } = tensors.get(name)!;
  return matrix(shape[0]!, shape[1]!, data as Float32Array);
}

const needed = [exported, golden, tokenizer];
describe.skipIf(!needed.every((url) => existsSync(url)))(
  'encoders from a hub (needs ../shared/golden, data)',
  () => {
    let engine: Engine;
    let hub: FakeHub;
    let home: string;

    beforeAll(() => {
      engine = createEngine({ threads: 1 });
    });
    beforeEach(async () => {
      home = await mkdtemp(join(tmpdir(), 'encoders-'));
      hub = await startFakeHub({ 'tiny/clip': { files: exportedFiles() } });
      vi.stubEnv('TIP_ADAPTER_HOME', home);
      vi.stubEnv('HF_ENDPOINT', hub.endpoint);
      return async () => {
        await hub.close();
        await rm(home, { recursive: true, force: true });
        vi.unstubAllEnvs();
      };
    });
    afterAll(() => engine.close());

    const options = { retryDelay: 1 };
    const pull = (name = NAME) => pullEncoder(name, { ...options, engine });
    const stopsOfCuts = { match: /blobs/, times: 50, cutAfter: 20_000 };

    it('state their size, are complete, and give the reference embeddings of texts', async () => {
      const seen: number[] = [];
      let planned = 0;
      const { record, folder } = await pullEncoder(NAME, {
        ...options,
        engine,
        confirm: async ({ bytes = 0 }) => {
          planned = bytes;
          expect(hub.requests.some(({ path }) => path.includes('resolve'))).toBe(false);
          return true;
        },
        onProgress: ({ received }) => seen.push(received),
      });
      expect(planned).toBe(record.files.reduce((sum, { bytes }) => sum + bytes, 0));
      expect(seen.at(-1)).toBe(planned);
      expect(record).toMatchObject({ id: NAME, revision: commitOf(hub.repos['tiny/clip']!), dimension: 64 });
      expect(record.logitScale).toBeCloseTo(24.802, 3);
      expect(record.files.map(({ path }) => path)).not.toContain('README.md');
      expect(folder).toBe(encoderFolder(NAME));
      expect((await readdir(join(home, 'encoders'))).filter((name) => name.includes('partial'))).toEqual([]);

      const encoder = await loadEncoder(NAME, { engine });
      const { input_texts } = JSON.parse(readFileSync(new URL('tokens.json', golden), 'utf8'));
      expect(largestGap(await encoder.embedTexts!(input_texts), reference('text_embeds'))).toBeLessThan(1e-4);
      expect((await encoder.embedTexts!([])).rows).toBe(0);
      await encoder.close();
    });

    it('embed pictures as the model does, in batches of any size', async () => {
      const { record, folder } = await pull();
      const session = await engine.load(join(folder, record.imageModel));
      const { tensors } = parseSafetensors(readFileSync(new URL('inputs.safetensors', golden)));
      const { image_embeds } = await session.run({ pixel_values: tensors.get('pixel_values')! });
      const direct = matrix(4, 64, image_embeds!.data as Float32Array);
      expect(largestGap(direct, reference('image_embeds'))).toBeLessThan(1e-4);

      const { integer } = random('pictures', 1);
      const pixels = Array.from({ length: 6 }, () => ({
        width: 64,
        height: 64,
        data: Uint8Array.from({ length: 64 * 64 * 3 }, () => integer(256)),
      }));
      const values = floatTensor([6, 3, 64, 64], normalize(pixels, record.preprocessing));
      const whole = (await session.run({ pixel_values: values })).image_embeds!.data as Float32Array;
      const encoder = await loadEncoder(NAME, { engine });
      expect(largestGap(await encoder.embedImages(pixels), matrix(6, 64, whole))).toBeLessThan(1e-5);
      await expect(
        encoder.embedImages([{ width: 32, height: 64, data: new Uint8Array() }]),
      ).rejects.toMatchObject({
        code: 'encoder/size',
      });
      await encoder.close();
    });

    it('need no network after the download', async () => {
      await pull();
      const asked = hub.requests.length;
      await hub.close();
      const again = await loadEncoder(NAME, { engine });
      expect(again.dimension).toBe(64);
      expect((await listEncoders()).map(({ record }) => record.id)).toEqual([NAME]);
      expect((await describeEncoder(NAME)).local?.bytes).toBeGreaterThan(1e6);
      expect(hub.requests.length).toBe(asked);
    });

    it('are refused and not installed if a byte is wrong', async () => {
      hub.fail({ match: /blobs/, instead: new Uint8Array(1000) });
      await expect(pull()).rejects.toMatchObject({ code: expect.stringMatching(/^checksum\//), exitCode: 4 });
      expect(await listEncoders()).toEqual([]);
      expect((await pull()).record.id).toBe(NAME);
    });

    it('continue a download that was cut', async () => {
      hub.fail(stopsOfCuts);
      await expect(pull()).rejects.toMatchObject({ code: 'network/cut' });
      expect(await listEncoders()).toEqual([]);
      hub.fail({ match: /nothing/ });
      stopsOfCuts.times = 0;
      await pull();
      const resumed = hub.requests.filter(
        ({ path, headers, status }) => /blobs/.test(path) && headers.range && status === 206,
      );
      expect(resumed.length).toBeGreaterThan(0);
    });

    it('stop if the user declines, or if the precision does not exist', async () => {
      await expect(pullEncoder(NAME, { ...options, confirm: async () => false })).rejects.toMatchObject({
        code: 'encoder/declined',
        exitCode: 130,
      });
      await expect(pull(`${NAME}#fp16`)).rejects.toMatchObject({
        code: 'encoder/no-model',
        hint: expect.stringContaining('fp32'),
      });
      await expect(loadEncoder(NAME, { pull: false })).rejects.toMatchObject({ code: 'encoder/not-here' });
    });

    it('refuse a registered encoder whose pinned hash differs', async () => {
      hub.repos['Xenova/clip-vit-base-patch32'] = {
        files: exportedFiles(),
        commit: 'd15189d7028b43f1d3e65039190477f6af591c2a',
      };
      await expect(pull('clip-vit-b32')).rejects.toMatchObject({ code: 'hub/other-file' });
    });

    it('have equal fingerprints from folder and hub, for any layout and file format', async () => {
      const { record, folder } = await pull();
      const copy = await mkdtemp(join(tmpdir(), 'exported-'));
      for (const [path, bytes] of Object.entries(exportedFiles()))
        await writeFile(join(copy, path.replace('onnx/', '')), bytes);
      const config = JSON.parse(await readFile(join(folder, 'preprocessor_config.json'), 'utf8'));
      await writeFile(join(copy, 'preprocessor_config.json'), JSON.stringify(config, null, 7));
      expect((await loadEncoder(copy, { engine })).fingerprint).toBe(record.fingerprint);
      await writeFile(join(copy, 'preprocessor_config.json'), JSON.stringify({ ...config, resample: 2 }));
      expect((await loadEncoder(copy, { engine })).fingerprint).not.toBe(record.fingerprint);
      await rm(join(copy, 'tokenizer.json'));
      await expect(loadEncoder(copy, { engine })).rejects.toMatchObject({ code: 'encoder/no-configuration' });
      await rm(copy, { recursive: true });
    });

    it('may be a bundle from any server', async () => {
      const { record } = await pull();
      const bundle = join(home, 'bundle.zip');
      await bundleEncoder(NAME, bundle);
      const bytes = await readFile(bundle);
      const name = `https://example.org/clip.zip#sha256=${sha256(bytes)}`;
      const fetch = (async () => new Response(new Uint8Array(bytes))) as typeof globalThis.fetch;
      const pulled = await pullEncoder(name, { ...options, fetch, engine });
      expect(pulled.record).toEqual({ ...record, id: name });
      expect((await loadEncoder(name, { engine, pull: false })).fingerprint).toBe(record.fingerprint);
      const other = `https://example.org/clip.zip#sha256=${'0'.repeat(64)}`;
      await expect(pullEncoder(other, { ...options, fetch })).rejects.toMatchObject({
        code: 'checksum/mismatch',
      });
    });

    it('can be copied in a bundle, and are checked when it is installed', async () => {
      const { record } = await pull();
      const bundle = join(home, 'bundle.zip');
      const classifier = join(home, 'pets.safetensors');
      await writeFile(classifier, 'a classifier');
      expect(await bundleEncoder(NAME, bundle, { classifier })).toBeGreaterThan(1e6);
      expect(await removeEncoder(NAME)).toBeGreaterThan(1e6);
      await rm(classifier);
      await hub.close();

      const out = await unbundle(bundle);
      expect(out).toMatchObject({ record, classifier });
      expect(await readFile(classifier, 'utf8')).toBe('a classifier');
      expect((await loadEncoder(NAME, { engine })).fingerprint).toBe(record.fingerprint);

      await removeEncoder(NAME);
      const bytes = await readFile(bundle);
      bytes[Math.floor(bytes.length / 2)]! ^= 1;
      await writeFile(bundle, bytes);
      await expect(unbundle(bundle)).rejects.toMatchObject({ code: 'encoder/bundle' });
      await writeFile(bundle, bytes.subarray(0, bytes.length / 2));
      await expect(unbundle(bundle)).rejects.toMatchObject({ code: 'encoder/bundle' });
      expect(await listEncoders()).toEqual([]);
    });
  },
);
