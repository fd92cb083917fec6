import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeEach, expect, it, vi } from 'vitest';
import { npy, npyLabels, rowsOf } from '../bench/dump.fixture.ts';
import { recordingIo } from './io.fixture.ts';
import { runCli } from './program.ts';

const { prepared } = vi.hoisted(() => ({ prepared: vi.fn() }));
vi.mock('../engine/onnxruntime.ts', async (original) => {
  const actual = await original<typeof import('../engine/onnxruntime.ts')>();
  return { ...actual, chooseRuntime: prepared.mockImplementation(actual.chooseRuntime) };
});
beforeEach(() => prepared.mockClear());

const root = mkdtempSync(join(tmpdir(), 'given-'));
afterAll(() => rmSync(root, { recursive: true, force: true }));
const at = (...parts: string[]) => join(root, ...parts);

const CLASSES = ['ant', 'bee', 'cow'];
mkdirSync(at('features'));
writeFileSync(at('features', 'info.json'), JSON.stringify({ dataset: 'made', classes: CLASSES }));
for (const [table, count] of Object.entries({ text: 1, train: 4, test: 3 })) {
  const labels = CLASSES.flatMap((_, c) => new Array<number>(count).fill(c));
  writeFileSync(at('features', `${table}.npy`), npy(rowsOf(labels, table)));
  if (table !== 'text') writeFileSync(at('features', `${table}.labels.npy`), npyLabels(labels));
}
const classifier = at('made.safetensors');

async function run(...argv: string[]) {
  const io = recordingIo();
  const status = await runCli(argv, io);
  return { status, err: io.err(), out: io.out() };
}

it('fits the classifiers of the refusals, and names the origin of constants', async () => {
  const fitted = await run('fit', at('features'), '-o', classifier, '--method', 'gda', '--alpha', '3');
  expect(fitted.err).not.toContain('error');
  expect(fitted.out).toMatch(/gda, alpha 3 \(given\), shrinkage [\d.]+ \(tuned by folds\), encoder/);
  const fixed = await run(
    ...['fit', at('features'), '-o', at('fixed.safetensors'), '--method', 'gda', '--tune', 'fixed'],
    ...['--alpha', '3'],
  );
  expect(fixed.out).toContain('gda, alpha 3 (given), shrinkage 1 (default), encoder');
  expect(fixed.err).not.toContain('not calibrated');
});

it('reports that one example per class is not calibrated, after a fit and beside all probabilities', async () => {
  const file = at('single.safetensors');
  const fitted = await run('fit', at('features'), '-o', file, '--shots', '1', '--method', 'gda');
  expect(fitted.err).toContain(
    'Probabilities are not calibrated, because too few examples could be left out to calibrate them on.',
  );
  expect((await run('info', file)).out).toContain('Probabilities are not calibrated');
  expect((await run('eval', file, at('features'))).out).toContain('Probabilities (not calibrated): NLL');
  expect(JSON.parse((await run('eval', file, at('features'), '--json')).out)).toMatchObject({
    calibrated: false,
    predictions: expect.arrayContaining([expect.objectContaining({ calibrated: false })]),
  });
  const compared = await run('compare', file, classifier, at('features'));
  expect(compared.out).toMatch(/\d \(not calibrated\)/);
  expect((await run('export', file, '--to', 'report')).status).toBe(0);
});

const fit = ['fit', at('features'), '-o', at('x.safetensors')];
const bench = ['bench', at('features'), '-o', at('bench')];
const predict = ['predict', classifier, 'x.jpg'];
const embed = ['embed', at('photos'), '-o', at('e')];
const texts = ['embed', '--texts', 'x.txt', '-o', at('e')];
it.each([
  [[...fit, '--method', 'zero-shot', '--alpha', '1'], 'zero-shot has no option alpha'],
  [[...fit, '--method', 'gda', '--epochs', '3'], 'gda has no option epochs'],
  [[...fit, '--epochs', '3'], 'auto has no option epochs'],
  [[...fit, '--method', 'gda', '--training-free'], 'Option --training-free has no effect with gda'],
  [[...fit, '--method', 'gda', '--resume'], 'Option --resume has no effect with gda'],
  [[...fit, '--tune', 'val', '--alpha', '1'], 'alpha of tip-adapter cannot be both given and tuned'],
  [[...fit, '--template', '{}', '--prompts', 'dtd'], 'The options template and prompts exclude each other'],
  [
    [...fit, '--encoder', 'clip-vit-b32', '--from-bundle', 'x.zip'],
    '--encoder has no effect with --from-bundle',
  ],
  [[...fit, '--parts', 'x'], "unknown option '--parts'"],
  [[...fit, '--template', 'a photo'], 'The template "a photo" has no {}'],
  [[...fit, '--prompts', 'imagenett'], 'There is no prompt preset named "imagenett"'],
  [[...fit, '--encoder', 'clip-vit-b23'], 'There is no encoder named "clip-vit-b23"'],
  [[...fit, '--method', 'gda', '--no-raw'], 'gda has no option raw'],
  [[...predict, '--json', '--csv'], '--json, --csv and --ndjson exclude each other'],
  [[...predict, '--together', '--stream'], '--together and --stream exclude each other'],
  [[...predict, '--method', 'zlap'], '--method has no effect with pictures that are answered one by one'],
  [[...predict, '--together', '--method', 'tda'], '--method has no effect with --together'],
  [[...predict, '--stream', '--method', 'zlap'], '--method has no effect with --stream'],
  [[...predict, '--together', '--present', '5'], "unknown option '--present'"],
  [[...predict, '--stream', '--reject', 'auto'], '--reject auto has no effect with --stream'],
  [[...predict, '--together', '--strength', '-1'], 'Option --strength cannot be "-1"'],
  [['demo', '-o', at('demo'), '--encoder', 'clipp'], 'There is no encoder named "clipp"'],
  [['studio', '-w', at('studio'), '--encoder', 'clipp'], 'There is no encoder named "clipp"'],
  [['studio', '--export', at('s'), '-w', at('studio')], 'Option --workspace has no effect with --export'],
  [['studio', '--export', at('s'), '--port', '8080'], 'Option --port has no effect with --export'],
  [['studio', '--export', at('s'), '--no-open'], 'has no effect with --export'],
  [['remove', classifier], 'Neither a class nor an example to remove'],
  [['add', classifier, 'x.jpg'], 'The class of the pictures is not given'],
  [['serve', classifier, '--host', '0.0.0.0'], 'token'],
  [[...bench, '--methods', 'gdaa'], 'There is no method "gdaa"'],
  [['export', classifier, '--to', 'web', '--input', 'features'], '--input has no effect with --to web'],
  [['export', classifier, '--to', 'onnx', '--title', 'x'], '--title has no effect with --to onnx'],
  [['export', classifier, '--to', 'onnx', '--data', 'x'], '--data has no effect with --to onnx'],
  [
    ['serve', classifier, '--read-only', '--change-deadline', '5'],
    'Option --change-deadline has no effect with readOnly',
  ],
  [[...bench, '--suite', 'ablations', '--shots', '4'], '--shots has no effect with --suite ablations'],
  [[...bench, '--suite', 'ablations', '--methods', 'gda'], '--methods has no effect with --suite ablations'],
  [[...texts, '--no-exif'], 'Option --no-exif has no effect with --texts'],
  [[...texts, '--follow-links'], 'Option --follow-links has no effect with --texts'],
  [[...texts, '--queue', 'redis://host'], 'Option --queue has no effect with --texts'],
  [[...embed, '--unlabelled', '--limit', '3'], 'Option --limit has no effect on pictures without classes'],
  [[...embed, '--unlabelled', '--classes', 'x.csv'], 'Option --classes has no effect on pictures without'],
  [[...embed, '--queue', 'redis://host', '--device', 'webgpu'], 'Option --device has no effect with --queue'],
  [
    ['embed', 's3://b/x', '-o', at('e'), '--unlabelled', '--strict'],
    'Option --strict has no effect with pictures in a store',
  ],
  [
    ['embed', 'hf:datasets/o/n', '-o', at('e'), '--unlabelled', '--strict'],
    'Option --strict has no effect with pictures on the hub',
  ],
  [
    ['predict', classifier, 's3://b/x', '-o', `${at('answers')}/`, '--zip-encoding', 'gbk'],
    'Option --zip-encoding has no effect on pictures in a store',
  ],
  [['worker', 'redis://host', '--host', '0.0.0.0'], '--host needs --port'],
  [[...bench, '--suite', 'domain', '--shots', '1,2'], '--suite domain takes one number of shots, not 1,2'],
])('%j is refused before anything is downloaded', async (argv, message) => {
  const { status, err } = await run(...argv);
  expect(prepared).not.toHaveBeenCalled();
  expect(err.replace('Unknown', 'unknown')).toContain(message);
  expect(status).toBe(2);
});

it.each([
  [[...bench, '--views', '10'], '--views has no effect with features'],
  [[...bench, '--encoders', 'auto'], '--encoders has no effect with features'],
  [[...fit, '--views', '3'], 'Option --views has no effect with features'],
  [[...fit, '--no-exif', '--no-thumbnails'], 'Options exif, thumbnails have no effect with features'],
  [[...fit, '--method', 'clip-adapter', '--resume'], 'no interrupted training'],
])('%j is refused after the data are read', async (argv, message) => {
  const { status, err } = await run(...argv);
  expect(err).toContain(message);
  expect(status).toBe(2);
});

it('uses the embeddings of TaskRes with their own lengths, or unit rows with --no-raw', async () => {
  const file = at('taskres.safetensors');
  const taskres = ['fit', at('features'), '-o', file, '--method', 'taskres', '--epochs', '1'];
  const raw = async (...more: string[]) => {
    expect((await run(...taskres, ...more)).status).toBe(0);
    return JSON.parse((await run('info', file, '--json')).out).options.raw;
  };
  expect([await raw(), await raw('--no-raw')]).toEqual([true, false]);
  const help = (await run('fit', '--help', '--method', 'taskres')).out.replace(/\s+/g, ' ');
  expect(help).toContain(
    '--no-raw Do not keep the length that the encoder gives the embeddings of the class names',
  );
});

it.each([
  ['fit', at('features'), '-o', '-', '--method', 'gda'],
  ['predict', classifier, 'x.jpg', '-o', '-'],
  ['embed', at('features'), '-o', '-'],
  ['bench', at('features'), '-o', '-'],
  ['export', classifier, '--to', 'site', '-o', '-'],
  ['remove', classifier, '--class', 'ant', '-o', '-'],
])('%s refuses - as the output', async (...argv) => {
  const { status, err } = await run(...argv);
  expect(err).toContain('The output cannot be -, because no file is written to stdout');
  expect(err).toContain('Give a path. For a file of this name, give ./-.');
  expect(status).toBe(2);
});

it('adds the rows of a folder of features', async () => {
  const grown = at('grown.safetensors');
  const fitted = await run('fit', at('features'), '-o', grown, '--shots', '1', '--method', 'prototype');
  expect(fitted.status, fitted.err).toBe(0);
  const added = await run('add', grown, at('features'));
  expect(added.out).toContain('grown.safetensors: 3 classes, 12 examples (+9)');
  expect(added.err).toContain('3 rows are examples of that class already and are left out');
  const file = await run('add', grown, at('features', 'train.npy'));
  expect(file.status).toBe(3);
  expect(file.err).toContain('For features, give a folder with train.npy and an info.json');
});
