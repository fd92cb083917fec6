import { existsSync, readFileSync } from 'node:fs';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { workspace, writePictures } from '../classifier/fake-encoder.fixture.ts';
import { fit } from '../classifier/index.ts';
import { writeSmallEncoder } from '../encoder/small-encoder.fixture.ts';
import { recordingIo } from './io.fixture.ts';
import { runCli } from './program.ts';

describe('tip-adapter export', () => {
  const at = workspace();
  const classifier = () => at('pets.safetensors');
  const home = process.env.TIP_ADAPTER_HOME;

  async function run(...argv: string[]) {
    const io = recordingIo();
    const status = await runCli(['export', ...argv], io);
    return { status, out: io.out(), err: io.err() };
  }

  beforeAll(async () => {
    process.env.TIP_ADAPTER_HOME = at('home');
    const photos = await writePictures(at('photos'), { cat: 4, dog: 4, owl: 4 });
    const encoder = await writeSmallEncoder(at('encoder'));
    const fitted = await fit(photos, { encoder, method: 'tip-adapter', tune: 'fixed' });
    await fitted.save(classifier());
    await fitted.close();
  });
  afterAll(() => {
    if (home === undefined) delete process.env.TIP_ADAPTER_HOME;
    else process.env.TIP_ADAPTER_HOME = home;
  });

  it('writes the model beside the classifier, and prints its inputs', async () => {
    const { status, out, err } = await run(classifier());
    expect(status, err).toBe(0);
    expect(out).toMatch(/pets\.onnx: [\d.]+ [KM]?B\n/);
    expect(out).toContain(
      'pixels uint8 [n, 32, 32, 3] → probabilities float32 [n, 3], scores float32 [n, 3]',
    );
    expect(err).toContain("no probability differs from the classifier's");
    expect(err).not.toContain('0e+0');
    expect(existsSync(at('pets.onnx'))).toBe(true);
  });

  it('prints the same as JSON', async () => {
    const target = at('head.onnx');
    const { out } = await run(classifier(), '--input', 'features', '--output', target, '--json');
    const facts = JSON.parse(out);
    expect(facts).toMatchObject({ file: target, size: readFileSync(target).length, opset: 17 });
    expect(facts.inputs).toEqual([{ name: 'features', dtype: 'float32', shape: ['n', 24] }]);
    expect(facts.difference).toBeLessThan(1e-5);
  });

  it('writes a model card, and with pictures the report that tests it', async () => {
    const alone = await run(classifier(), '--to', 'report', '-o', at('card.md'));
    expect(alone.status, alone.err).toBe(0);
    expect(await readFile(at('card.md'), 'utf8')).toContain('It was not measured on pictures');
    const test = await writePictures(at('test'), { cat: [7], dog: [8], owl: [9] });
    const judged = await run(classifier(), '--to', 'report', '--data', test, '-o', at('judged.md'));
    expect(judged.status, judged.err).toBe(0);
    expect(judged.out).toContain(' on 3 pictures');
    const options = ['--to', 'report', '--data', test, '-o', at('judged.md'), '--json'];
    const facts = JSON.parse((await run(classifier(), ...options)).out);
    expect(facts).toMatchObject({ total: 3, excluded: [], partial: false, failures: [] });
    expect(facts.findings[0]).toMatchObject({ level: 'info', code: 'dataset/found' });
    expect(await readFile(at('judged.md'), 'utf8')).toContain('95% interval');
    expect(await readFile(at('judged.report.html'), 'utf8')).toContain('<title>');
  });

  it('says what the loss of 8-bit weights does not cover', async () => {
    const test = await writePictures(at('part'), { cat: [0, 7], dog: [8], zebra: [9, 10] });
    await writeFile(join(test, 'dog', 'broken.png'), 'not a picture');
    const options = ['--quantise', '--data', test, '-o', at('small.onnx')];
    const { status, out, err } = await run(classifier(), ...options);
    expect([status, out]).toEqual([3, expect.stringContaining('on 2 pictures')]);
    for (const line of [
      '1 picture was left out, because the classifier has learnt from it.',
      'The figures do not cover 1 picture that could not be read.',
      '1 class had no picture to be evaluated on.',
    ])
      expect(out).toContain(line);
    const unknown = 'warning: 2 pictures of 1 class that the classifier does not know';
    expect(err.split(unknown), err).toHaveLength(2);
    expect(err).toMatch(/1 picture could not be read:\n.*broken\.png: /);
    const { quantised } = JSON.parse((await run(classifier(), ...options, '--json')).out);
    expect(quantised).toMatchObject({
      pictures: 2,
      excluded: [expect.stringContaining('0.png')],
      partial: true,
      failures: [{ image: expect.stringContaining('broken.png') }],
      perClass: [{ total: 1 }, { total: 1 }, { id: 'owl', total: 0 }],
    });
    const codes = quantised.findings.map(({ code }: { code: string }) => code);
    expect(codes).toContain('eval/unknown-classes');
  });

  it('never overwrites the classifier or a folder', async () => {
    const before = readFileSync(classifier());
    for (const to of ['onnx', 'web', 'report']) {
      const { status, err } = await run(classifier(), '--to', to, '-o', join(at('.'), 'pets.safetensors'));
      expect([status, err]).toEqual([2, expect.stringContaining('is a file that this command reads')]);
    }
    expect(readFileSync(classifier()).equals(before)).toBe(true);
    await mkdir(at('folder'));
    expect((await run(classifier(), '-o', at('folder'))).status).toBe(2);
  });
});
