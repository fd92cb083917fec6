import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from 'vitest';
import { parse } from 'yaml';
import { workspace, writePictures } from '../classifier/fake-encoder.fixture.ts';
import { type Classifier, fit, load } from '../classifier/index.ts';
import { writeSmallEncoder } from '../encoder/small-encoder.fixture.ts';
import { commitOf, type FakeHub, startFakeHub } from '../store/fake-hub.fixture.ts';
import { recordingIo } from './io.fixture.ts';
import { runCli } from './program.ts';

const TOKEN = 'secret-of-the-test';
const REPO = 'me/pets';
const at = workspace();
let hub: FakeHub;
let classifier: Classifier;
let picture: string;

beforeAll(async () => {
  hub = await startFakeHub({}, { writeToken: TOKEN });
  vi.stubEnv('HF_ENDPOINT', hub.endpoint);
  vi.stubEnv('HF_TOKEN', TOKEN);
  const encoder = await writeSmallEncoder(at('encoder'));
  const photos = await writePictures(at('photos'), { cat: 4, dog: 4, fox: 4 });
  await writePictures(at('labelled'), { cat: [7, 8], dog: [8], fox: [9] });
  classifier = await fit(photos, { encoder, method: 'auto' });
  await classifier.save(at('pets.safetensors'));
  picture = at('labelled/cat/7.png');
});
afterEach(() => vi.stubEnv('HF_TOKEN', TOKEN));
afterAll(async () => {
  await classifier.close();
  await hub.close();
  vi.unstubAllEnvs();
});

async function run(...argv: string[]) {
  const io = recordingIo();
  const status = await runCli(argv, io);
  expect(io.out() + io.err()).not.toContain(TOKEN);
  expect(io.out() + io.err()).not.toContain('signature');
  return { status, out: io.out(), err: io.err() };
}

describe('push', () => {
  it('writes the classifier, its card and its ONNX model in one commit, and says who can read what', async () => {
    const { status, out, err } = await run('push', at('pets.safetensors'), REPO);
    expect(status, err).toBe(0);
    const { files, visibility, titles } = hub.repos[REPO]!;
    expect(out).toMatch(`hf:${REPO}@${commitOf(hub.repos[REPO]!)}: 3 files`);
    expect(Object.keys(files).sort()).toEqual(['README.md', 'classifier.safetensors', 'model.onnx']);
    expect([visibility, titles!.length]).toEqual(['private', 1]);
    expect(err).toContain('The new repository is private');
    expect(err).toMatch(/thumbnails, names and features of \d+ examples/);
    const card = String(files['README.md']);
    const metadata = parse(/^---\n(.*?)\n---/s.exec(card)![1]!);
    expect(metadata).toMatchObject({ pipeline_tag: 'image-classification', library_name: 'tip-adapter' });
    const { compared } = classifier.data.tuning;
    expect(metadata['model-index'][0].results[0].metrics[0].value).toBe(compared![0]!.accuracy);
    expect(card).toContain(`predict hf:${REPO} photo.jpg`);
  });

  it('adds the accuracy on labelled pictures and a site, and leaves the visibility', async () => {
    const options = ['--data', at('labelled'), '--site', '--no-onnx', '--public', '--json'];
    const { status, out, err } = await run('push', at('pets.safetensors'), REPO, ...options);
    expect(status, err).toBe(0);
    const { accuracy, files, isNew } = JSON.parse(out);
    expect(isNew).toBe(false);
    expect(hub.repos[REPO]!.visibility).toBe('private');
    expect(err).toContain(`${REPO} was there already; --public did not change who may read it`);
    expect(files.map(({ path }: { path: string }) => path)).toContain('site/site.json');
    expect(err).toContain('Removed from the earlier push: model.onnx');
    // The ONNX model of the first push would be another classifier's.
    expect(Object.keys(hub.repos[REPO]!.files)).not.toContain('model.onnx');
    const card = String(hub.repos[REPO]!.files['README.md']);
    const [result] = parse(/^---\n(.*?)\n---/s.exec(card)![1]!)['model-index'][0].results;
    expect(result.metrics[0]).toEqual({ type: 'accuracy', name: 'Accuracy', value: accuracy });
    expect(result.dataset).toMatchObject({ type: 'labelled', name: 'labelled' });
    expect(result.dataset.args.pictures).toBeGreaterThan(0);
  });

  it('leaves a repository alone that has files of another origin in its places', async () => {
    const mine = {
      'README.md': 'mine',
      'site/index.html': 'mine',
      'model.onnx': 'mine',
      'notes.txt': 'mine',
    };
    hub.repos['me/mine'] = { files: { ...mine } };
    const push = (repo: string) => run('push', at('pets.safetensors'), repo, '--no-onnx');
    const refused = await push('me/mine');
    expect([refused.status, refused.err]).toEqual([2, expect.stringContaining('hub/other-files')]);
    expect(refused.err).toContain('README.md, site/index.html, model.onnx');
    expect(hub.repos['me/mine'].files).toEqual(mine);
    hub.repos['me/bare'] = { files: { '.gitattributes': '', 'README.md': '---\nlicense: mit\n---' } };
    expect((await push('me/bare')).status).toBe(0);
    expect(Object.keys(hub.repos['me/bare'].files)).toContain('classifier.safetensors');
  });

  it('needs a name and a token before it does anything, and explains a refusal', async () => {
    expect((await run('push', 'missing.safetensors', 'pets')).err).toContain('hub/repository');
    vi.stubEnv('HF_TOKEN', 'another');
    const denied = await run('push', at('pets.safetensors'), REPO, '--no-onnx');
    expect([denied.status, denied.err]).toEqual([4, expect.stringContaining('network/denied')]);
    vi.stubEnv('HF_TOKEN', '');
    expect((await run('push', 'missing.safetensors', REPO)).err).toContain('hub/no-token');
    vi.stubEnv('HF_TOKEN', TOKEN);
    hub.fail({ match: /commit/, status: 400 });
    const refused = await run('push', at('pets.safetensors'), REPO, '--no-onnx', '--verbose');
    expect([refused.status, refused.err]).toEqual([4, expect.stringContaining('network/push')]);
  });
});

describe('a classifier on the hub', () => {
  it('is read by every command and by load, from the commit of the first time', async () => {
    const first = commitOf(hub.repos[REPO]!);
    const { status, out, err } = await run('predict', `hf:${REPO}`, picture, '--json');
    expect(status, err).toBe(0);
    expect(err).toContain(`hf:${REPO} is hf:${REPO}@${first}`);
    const own = await classifier.predict(picture);
    expect(JSON.parse(out).predictions[0].probability).toBeCloseTo(own.probability, 6);
    hub.repos[REPO]!.files['README.md'] = 'another commit';
    const asked = hub.requests.length;
    for (const command of ['info', 'explain', 'eval'])
      expect(
        (await run(command, `hf:${REPO}`, ...({ explain: [picture], eval: [at('labelled')] }[command] ?? [])))
          .status,
      ).toBe(0);
    const answers = ['predict', `hf:${REPO}`, at('labelled'), '-o', at('answers/')];
    const folder = await run(...answers);
    expect(folder.out).toContain('4 answers');
    expect(folder.err).toContain(`hf:${REPO} is hf:${REPO}@${first}`);
    await using same = await load(`hf:${REPO}`);
    expect(same.data.classes).toEqual(classifier.data.classes);
    expect(hub.requests.length).toBe(asked);
  });

  it('is not changed there', async () => {
    const { status, err } = await run('remove', `hf:${REPO}`, '--class', 'x');
    expect([status, err]).toEqual([2, expect.stringContaining('Add --output')]);
  });

  it('is refused if the repository has none', async () => {
    hub.repos['me/other'] = { files: { 'a.safetensors': 'a', 'b.safetensors': 'b' } };
    hub.repos['me/none'] = { files: { 'README.md': '' } };
    for (const repo of ['me/other', 'me/none'])
      expect((await run('info', `hf:${repo}`)).err).toContain('hub/no-classifier');
    expect((await run('info', 'hf:../x')).err).toContain('source/malformed');
  });
});
