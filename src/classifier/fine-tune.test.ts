import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { rename } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { recordingIo } from '../cli/io.fixture.ts';
import { runCli } from '../cli/program.ts';
import { readDataset } from '../dataset/read.ts';
import { writeSmallClip } from '../encoder/clip/small-clip.fixture.ts';
import { describeEncoder } from '../encoder/describe.ts';
import { joinEncoders } from '../encoder/joined.ts';
import { loadEncoder } from '../encoder/load.ts';
import { createImageLoader } from '../image/loader.ts';
import { dot, row, unitRows } from '../math/matrix.ts';
import { fakeEncoder, workspace, writePictures } from './fake-encoder.fixture.ts';
import { type FineTuned, fineTune } from './fine-tune.ts';
import { fit } from './fit.ts';

const at = workspace();
let [photos, clip, tuned] = ['', '', ''];
let made: FineTuned;

const KINDS = { ant: 4, bee: 4, cow: 4 };
const fast = { steps: 10, rate: 0.01, template: '{}', alpha: 3 };

beforeAll(async () => {
  photos = await writePictures(at('photos'), KINDS);
  clip = writeSmallClip(at('clip'), { names: 'hub' });
  tuned = at('clip-tuned');
  made = await fineTune(photos, { encoder: clip, output: tuned, ...fast, shots: 3 });
});
afterAll(() => void vi.unstubAllEnvs());

/** Mean cross-entropy of the zero-shot scores of all pictures. */
async function zeroShotLoss(folder: string): Promise<number> {
  const encoder = await loadEncoder(folder);
  const loader = createImageLoader();
  const kinds = Object.keys(KINDS);
  const texts = unitRows(await encoder.embedTexts!(kinds));
  let total = 0;
  for (const [c, kind] of kinds.entries()) {
    const files = readdirSync(join(photos, kind)).map((name) => readFileSync(join(photos, kind, name)));
    const request = { spec: encoder.preprocessing, views: [0], seed: 0 };
    const pixels = await Promise.all(files.map(async (bytes) => (await loader.load(bytes, request))[0]!));
    const images = unitRows(await encoder.embedImages(pixels));
    for (let i = 0; i < images.rows; i++) {
      const scores = kinds.map((_, k) => encoder.logitScale * dot(row(images, i), row(texts, k)));
      total += Math.log(scores.reduce((sum, s) => sum + Math.exp(s), 0)) - scores[c]!;
    }
  }
  await encoder.close();
  return total / 12;
}

describe('an encoder that was fine-tuned', () => {
  it('knows the classes better, and tells what it was made of and what it has learnt from', async () => {
    expect(await zeroShotLoss(tuned)).toBeLessThan(0.7 * (await zeroShotLoss(clip)));
    expect(existsSync(`${tuned}.training`)).toBe(false);
    const parent = await loadEncoder(clip);
    const encoder = await loadEncoder(tuned);
    expect(encoder.fingerprint).not.toBe(parent.fingerprint);
    expect(made).toMatchObject({ pictures: 9, classes: 3, steps: 10, fingerprint: encoder.fingerprint });
    expect(made.parent).toEqual({ id: './clip', source: './clip', fingerprint: parent.fingerprint });
    expect(encoder).toMatchObject({ licence: parent.licence, defaults: { template: '{}' } });
    expect(encoder.fineTuned!.pictures).toHaveLength(9);
    const all = Object.keys(KINDS).flatMap((kind) =>
      readdirSync(join(photos, kind)).map((name) =>
        createHash('sha256')
          .update(readFileSync(join(photos, kind, name)))
          .digest('hex'),
      ),
    );
    expect(all).toEqual(expect.arrayContaining([...encoder.fineTuned!.pictures]));
    const { local } = await describeEncoder(tuned);
    expect(local!.record).toMatchObject({
      fineTuned: { method: 'clip-lora', options: { rank: 2, alpha: 3 } },
    });
    const joined = joinEncoders([encoder, fakeEncoder()]);
    expect(joined.fineTuned?.pictures).toEqual(encoder.fineTuned!.pictures);
    await Promise.all([parent.close(), joined.close()]);
  });

  it('changes only the tower that it should, and is found where it is now', async () => {
    const elsewhere = at('moved');
    await fineTune(photos, { encoder: clip, output: at('first'), ...fast, steps: 1, towers: 'text' });
    await rename(at('first'), elsewhere);
    await using encoder = await loadEncoder(elsewhere);
    expect(encoder).toMatchObject({ id: elsewhere, source: elsewhere });
    await using parent = await loadEncoder(clip);
    const pixels = { width: 32, height: 32, data: new Uint8Array(32 * 32 * 3).fill(90) };
    expect(await encoder.embedImages([pixels])).toEqual(await parent.embedImages([pixels]));
    expect(await encoder.embedTexts!(['ant'])).not.toEqual(await parent.embedTexts!(['ant']));
  });
});

describe('an interrupted fine-tuning', () => {
  it('continues to the same encoder, and refuses another training', async () => {
    const given = { encoder: clip, ...fast, shots: 3, output: at('resumed') };
    const checkpoint = at('resumed.training');
    const stop = new AbortController();
    const cut = fineTune(photos, {
      ...{ ...given, checkpoint, signal: stop.signal },
      onStep: ({ done }) => void (done === 6 && stop.abort()),
    });
    await expect(cut).rejects.toMatchObject({
      code: 'interrupted',
      message: 'Interrupted after 6 steps of 10, which are kept',
    });
    expect(existsSync(given.output)).toBe(false);
    await expect(fineTune(photos, { ...given, checkpoint })).rejects.toMatchObject({
      code: 'fine-tune/interrupted',
    });
    const other = { ...given, checkpoint, resume: true, rate: 0.02 };
    await expect(fineTune(photos, other)).rejects.toMatchObject({
      code: 'fit/resume',
      hint: expect.stringContaining('remove the file and leave out --resume'),
    });
    const steps: number[] = [];
    const whole = await fineTune(photos, {
      ...{ ...given, checkpoint, resume: true },
      onStep: ({ done }) => void steps.push(done),
    });
    expect(steps[0]).toBe(7);
    expect(whole.fingerprint).toBe(made.fingerprint);
    expect(existsSync(checkpoint)).toBe(false);
  });
});

it('warns of prompts of single classes, which are not learnt from', async () => {
  const read = await readDataset(photos);
  const classes = read.classes.map((one) => (one.id === 'bee' ? { ...one, prompts: ['a small bee'] } : one));
  const { findings } = await fineTune(
    { ...read, classes },
    { encoder: clip, output: at('prompted'), ...fast, steps: 1 },
  );
  expect(findings).toContainEqual(expect.objectContaining({ code: 'fine-tune/prompts', paths: ['bee'] }));
});

it('stops when a picture is replaced, because the record would name another one', async () => {
  const pictures = await writePictures(at('changing'), { ant: 1, bee: 1 });
  const place = join(pictures, 'ant', readdirSync(join(pictures, 'ant'))[0]!);
  const other = readFileSync(join(photos, 'cow', readdirSync(join(photos, 'cow'))[0]!));
  const onPlan = () => writeFileSync(place, other);
  const given = { encoder: clip, output: at('of-changing'), ...fast, onPlan };
  await expect(fineTune(pictures, given)).rejects.toMatchObject({ code: 'fine-tune/picture' });
  expect(existsSync(at('of-changing'))).toBe(false);
});

describe('a fine-tuning that cannot be written', () => {
  const given = () => ({ encoder: clip, output: at('refused'), ...fast, steps: 1 });

  it('is refused at the start if its checkpoint would lie in the output', async () => {
    for (const checkpoint of [at('refused/state'), at('refused')])
      await expect(fineTune(photos, { ...given(), checkpoint })).rejects.toMatchObject({
        code: 'fine-tune/output',
        message: expect.stringContaining('lies in the output'),
      });
    expect(existsSync(at('refused'))).toBe(false);
  });

  it('leaves nothing behind if its loss is no number, or the weights were replaced meanwhile', async () => {
    await expect(fineTune(photos, { ...given(), steps: 4, rate: 1e30 })).rejects.toMatchObject({
      code: 'training/diverged',
    });
    const other = writeSmallClip(at('replaced'), { names: 'hub' });
    const weights = join(other, 'model.safetensors');
    const onStep = () => {
      const bytes = readFileSync(weights);
      bytes.fill(0, bytes.length - 4);
      writeFileSync(weights, bytes);
    };
    await expect(fineTune(photos, { ...given(), encoder: other, onStep })).rejects.toMatchObject({
      code: 'encoder/changed',
    });
    expect(existsSync(at('refused'))).toBe(false);
  });
});

describe('figures on the pictures of a fine-tuning', () => {
  it('are not told as if the pictures were left out', async () => {
    const encoder = tuned;
    const classifier = await fit(photos, { encoder, method: 'zero-shot' });
    expect(classifier.calibrated).toBe(false);
    expect(classifier.findings).toContainEqual(
      expect.objectContaining({ level: 'warning', code: 'fit/fine-tuned' }),
    );
    expect(classifier.data).toMatchObject({ tuning: { fineTuned: 9 }, encoder: { fineTunedOn: 9 } });
    const { modelCard } = await import('../export/card.ts');
    expect(modelCard(classifier.data)).toMatch(/fine-tuned on 9 pictures that they are fitted to/);
    expect(modelCard(classifier.data)).toContain('fine-tuned on 9 pictures');
    const fresh = await writePictures(at('fresh'), {
      ant: [20, 25, 30],
      bee: [20, 25, 30],
      cow: [20, 25, 30],
    });
    const honest = await fit(fresh, { encoder, method: 'zero-shot' });
    expect(honest.calibrated).toBe(true);
    expect(honest.findings.filter(({ code }) => code.includes('fine-tuned'))).toEqual([]);
    // Nine of the twelve pictures tuned the encoder; none is an example of this classifier.
    const { total, excluded, findings } = await honest.evaluate(photos);
    expect([total, excluded.length]).toEqual([3, 9]);
    expect(findings).toContainEqual(expect.objectContaining({ code: 'eval/fine-tuned' }));
    await expect(honest.evaluate(photos, { unknown: [] })).resolves.toMatchObject({ total: 3 });
    await Promise.all([classifier.close(), honest.close()]);
  });

  it('are left out of a benchmark, and noted', async () => {
    const { openPictures } = await import('../bench/picture-source.ts');
    const source = await openPictures(
      { path: photos, kind: 'pictures', name: 'photos' },
      { encoder: tuned, shots: 1, seeds: [1] },
    );
    expect([...source.notes, ...source.leftOut!].filter((note) => note.includes('fine-tuned'))).not.toEqual(
      [],
    );
    await source.close?.();
  });
});

describe('the command', () => {
  it('tells the plan, the cost and what comes next', async () => {
    const io = recordingIo();
    const [folder, output] = [at('a real folder'), at('by command')];
    mkdirSync(folder);
    symlinkSync(folder, output);
    const words = ['encoders', 'fine-tune', photos, '--encoder', clip, '-o', output];
    expect(await runCli([...words, '--steps', '4', '--template', '{}', '--towers', 'image'], io)).toBe(0);
    expect(io.err()).toContain('4 steps of 12 pictures and the names of 3 classes, from 12 pictures');
    expect(io.err()).toMatch(/A step takes .*, measured on 2 steps: 1 step to come takes about/);
    expect(io.err()).toContain(`fit ${photos} -o "by command.safetensors" --encoder "${output}"`);
    expect(io.out()).toContain(`Made of ./clip (from ./clip), licence unknown`);
    const again = recordingIo();
    expect(await runCli([...words, '--steps', '4'], again)).not.toBe(0);
    expect(again.err()).toContain('is not empty');
    const shown = recordingIo();
    expect(await runCli(['encoders', 'show', output], shown)).toBe(0);
    expect(shown.out()).toMatch(/Fine-tuned\s+from \.\/clip on 12 pictures/);
    expect(existsSync(join(folder, 'model.safetensors'))).toBe(true);
  });
});
