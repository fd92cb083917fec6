import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it, vi } from 'vitest';
import { fakeEncoder, workspace, writePictures } from '../classifier/fake-encoder.fixture.ts';
import { fit } from '../classifier/fit.ts';
import { recordingIo } from '../cli/io.fixture.ts';
import { runCli } from '../cli/program.ts';
import { matrix } from '../math/matrix.ts';
import { type FakeHub, startFakeHub } from '../store/fake-hub.fixture.ts';
import { chooseEncoder } from './choose.ts';
import { writeSmallClip } from './clip/small-clip.fixture.ts';
import { listEncoders } from './installed.ts';
import { pullEncoder } from './pull.ts';
import { registerEncoder } from './registered.ts';
import { writeSmallEncoder } from './small-encoder.fixture.ts';

vi.mock('../image/loader.ts', async (original) =>
  (await import('../classifier/fake-encoder.fixture.ts')).sharedDecoders(original),
);

const at = workspace();
const home = mkdtempSync(join(tmpdir(), 'clip-parts-'));
const PARTS = [['projection'], ['text-tower'], ['text-tower', 'projection']] as const;
let hub: FakeHub;
let photos: string;

beforeAll(async () => {
  const filesOf = (folder: string) =>
    Object.fromEntries(readdirSync(folder).map((name) => [name, readFileSync(join(folder, name))]));
  hub = await startFakeHub({
    'tiny/export': { files: filesOf(await writeSmallEncoder(at('export'))) },
    'tiny/weights': { files: filesOf(writeSmallClip(at('weights'), { names: 'hub' })) },
    'Xenova/clip-vit-base-patch32': { files: filesOf(at('export')) },
  });
  vi.stubEnv('TIP_ADAPTER_HOME', home);
  vi.stubEnv('HF_ENDPOINT', hub.endpoint);
  photos = await writePictures(at('photos'), { cat: 3, dog: 3 });
});
afterAll(async () => {
  vi.unstubAllEnvs();
  await hub.close();
  rmSync(home, { recursive: true });
});

const downloads = () => hub.requests.filter(({ path }) => path.includes('resolve')).length;

/** Runs a command, and returns what it prints as JSON. */
async function printed(...argv: string[]) {
  const io = recordingIo();
  const status = await runCli([...argv, '--json'], io);
  return { status, json: JSON.parse(status === 0 ? io.out() : io.err()) };
}

it('auto downloads nothing for a method that learns from parts of a CLIP, and says which encoders have them', async () => {
  vi.stubEnv('TIP_ADAPTER_YES', '1');
  for (const parts of PARTS)
    await expect(chooseEncoder('auto', { parts, ask: async () => true })).rejects.toMatchObject({
      code: 'encoder/from-weights',
      hint: expect.stringContaining('--encoder clip-rn50'),
    });
  for (const method of ['prolip', 'coop'])
    await expect(fit(photos, { method })).rejects.toMatchObject({ code: 'encoder/from-weights' });
  vi.stubEnv('TIP_ADAPTER_YES', '');
  expect(hub.requests).toEqual([]);
});

it('an ONNX model is refused before it is downloaded', async () => {
  const refused = { code: 'encoder/from-weights' };
  await expect(pullEncoder('hf:tiny/export+pre-projection')).rejects.toMatchObject(refused);
  await expect(pullEncoder('resnet50-minilm+pre-projection')).rejects.toMatchObject(refused);
  for (const method of ['prolip', 'coop'])
    await expect(fit(photos, { encoder: 'hf:tiny/export', method })).rejects.toMatchObject(refused);
  expect(downloads()).toBe(0);
});

it('the commands of encoders know the name with pre-projection features', async () => {
  const name = 'hf:tiny/weights+pre-projection';
  expect(await printed('encoders', 'show', 'clip-rn50+pre-projection')).toMatchObject({
    status: 4,
    json: { error: { code: 'encoder/not-here' } },
  });
  const pulled = await printed('encoders', 'pull', name);
  expect(pulled.json.id).toBe(name);
  expect((await listEncoders()).map(({ record }) => record.id)).toEqual(['hf:tiny/weights']);
  const { json } = await printed('encoders', 'show', name);
  expect(json).toMatchObject({ id: name, dimension: 8 + 16, installed: { folder: pulled.json.folder } });
  expect((await printed('encoders', 'bundle', name, at('carried.zip'))).status).toBe(0);
});

it('auto takes an encoder that has the parts, although another one comes first', async () => {
  await pullEncoder('hf:tiny/export');
  expect((await chooseEncoder('auto')).name).toBe('hf:tiny/export');
  for (const parts of PARTS) expect((await chooseEncoder('auto', { parts })).name).toBe('hf:tiny/weights');
  const classifier = await fit(photos, { method: 'prolip', options: { epochs: 1 }, tune: 'fixed' });
  expect(classifier.data.encoder.id).toBe('hf:tiny/weights+pre-projection');
  await classifier.close();
});

it.each([
  ['prolip,zero-shot', 'hf:tiny/weights+pre-projection', ['prolip', 'zero-shot']],
  ['prolip,prototype', 'hf:tiny/weights', ['prototype']],
  ['prototype', 'hf:tiny/export', ['prototype']],
])('bench with %s takes %s for auto, and says which methods are left out', async (methods, encoder, ran) => {
  const io = recordingIo();
  const output = at(`bench-${methods}`);
  const argv = ['bench', photos, '--methods', methods, '--shots', '1', '--seeds', '1', '-o', output];
  expect(await runCli(argv, io)).toBe(0);
  const { cells } = JSON.parse(readFileSync(join(output, 'bench.json'), 'utf8'));
  expect(new Set(cells.map((cell: { method: string }) => cell.method))).toEqual(new Set(ran));
  expect(io.err()).toContain(`Encoder: ${encoder}`);
  const left = methods.includes('prolip') && !ran.includes('prolip');
  expect((io.out() + io.err()).includes('ProLIP needs the features before the last projection')).toBe(left);
});

it('removing the encoder with pre-projection features removes the plain one', async () => {
  const { json } = await printed('encoders', 'remove', 'hf:tiny/weights+pre-projection');
  expect(json).toMatchObject({ id: 'hf:tiny/weights', bytes: expect.any(Number) });
  expect((await listEncoders()).map(({ record }) => record.id)).toEqual(['hf:tiny/export']);
  const again = await printed('encoders', 'remove', 'hf:tiny/weights+pre-projection');
  expect(again.json.error).toMatchObject({ code: 'encoder/unknown' });
});

it('a registered encoder with a projection is used under its own name, and one without is refused', async () => {
  const weight = matrix(
    10,
    6,
    Float32Array.from({ length: 60 }, (_, i) => Math.sin(i)),
  );
  registerEncoder({ ...fakeEncoder('projecting'), projection: async () => ({ weight, bias: 0 }) });
  registerEncoder(fakeEncoder('plain', 'b'));
  const options = { method: 'prolip', options: { epochs: 1 }, tune: 'fixed' } as const;
  const classifier = await fit(photos, { encoder: 'projecting', ...options });
  expect(classifier.data.encoder.id).toBe('projecting');
  await classifier.close();
  for (const method of ['prolip', 'coop'])
    await expect(fit(photos, { encoder: 'plain', method })).rejects.toMatchObject({ code: 'method/needs' });
});
