import { cp, mkdir, mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import sharp from 'sharp';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { writeSmallEncoder } from '../encoder/small-encoder.fixture.ts';
import { examineDevices } from '../engine/node.ts';
import { recordingIo } from './io.fixture.ts';
import { runCli } from './program.ts';

const COLOURS = { red: '#d02020', green: '#20b040', blue: '#2040d0' };

describe('the commands, one after the other', () => {
  let root: string;
  const at = (...parts: string[]) => join(root, ...parts);
  const home = process.env.TIP_ADAPTER_HOME;

  async function run(argv: string[], lines: string[] = []) {
    const io = recordingIo({ lines });
    const status = await runCli(argv, io);
    return { status, out: io.out(), err: io.err() };
  }

  beforeAll(async () => {
    root = await mkdtemp(join(tmpdir(), 'commands-'));
    process.env.TIP_ADAPTER_HOME = at('home');
    await writeSmallEncoder(at('encoder'));
    for (const [split, count] of [
      ['train', 4],
      ['test', 2],
    ] as const) {
      for (const [label, background] of Object.entries(COLOURS)) {
        await mkdir(at('photos', split, label), { recursive: true });
        for (let i = 0; i < count; i++) {
          const dots = Buffer.from(
            `<svg width="64" height="64"><circle cx="${10 + 7 * i}" cy="${split.length * 8}" r="${5 + i}" fill="white"/></svg>`,
          );
          await sharp({ create: { width: 64, height: 64, channels: 3, background } })
            .composite([{ input: dots }])
            .png()
            .toFile(at('photos', split, label, `${split}-${i}.png`));
        }
      }
    }
    await writeFile(at('broken.jpg'), 'no picture');
  });

  afterAll(async () => {
    if (home === undefined) delete process.env.TIP_ADAPTER_HOME;
    else process.env.TIP_ADAPTER_HOME = home;
    await rm(root, { recursive: true, force: true });
  });

  const classifier = () => at('colours.safetensors');
  const picture = (label: string) => at('photos', 'test', label, 'test-0.png');

  it('fit writes the classifier and describes it', async () => {
    const fit = ['fit', at('photos'), '-o', classifier(), '--encoder', at('encoder'), '--shots', '3'];
    const { status, out, err } = await run([...fit, '--no-thumbnails', '--method', 'tip-adapter']);
    expect(status, err).toBe(0);
    expect(out).toContain(`${classifier()}: 3 classes, 9 examples`);
    expect(err).toContain('3 classes, 18 pictures (12 train, 6 test)');
  });

  it('info prints the description, as text and as JSON', async () => {
    expect((await run(['info', classifier()])).out).toMatch(/^red +3$/m);
    const info = JSON.parse((await run(['info', classifier(), '--json'])).out);
    expect(info.classes.map((c: { id: string; examples: number }) => [c.id, c.examples])).toEqual([
      ['blue', 3],
      ['green', 3],
      ['red', 3],
    ]);
    expect(info.examples).toHaveLength(9);
  });

  it('eval prints JSON', async () => {
    const { status, out, err } = await run(['eval', classifier(), at('photos'), '--json', '--quiet']);
    expect([status, err]).toEqual([0, '']);
    const evaluation = JSON.parse(out);
    expect(evaluation).toMatchObject({
      accuracy: evaluation.correct / 6,
      total: 6,
      classes: ['blue', 'green', 'red'],
      encoder: at('encoder'),
      method: 'tip-adapter',
      protocol: expect.any(String),
      seed: 1,
    });
    expect(evaluation.perClass).toHaveLength(3);
    expect((await run(['eval', classifier(), at('photos')])).out).toMatch(/^Accuracy .* of 6 pictures\)/);
    expect((await run(['eval', classifier(), at('photos'), '--suspects'])).status).toBe(0);
  });

  it('compare tests two on the same pictures', async () => {
    const other = at('other.safetensors');
    const fit = ['fit', at('photos'), '-o', other, '--encoder', at('encoder'), '--method', 'zero-shot'];
    expect((await run(fit)).status).toBe(0);
    const { status, out } = await run(['compare', classifier(), other, at('photos')]);
    expect(status).toBe(0);
    expect(out).toContain('Accuracy of the first minus that of the second on 6 pictures: ');
    expect(out).toContain("McNemar's exact test");
    const json = JSON.parse((await run(['compare', classifier(), other, at('photos'), '--json'])).out);
    const { total, first, second, onlyFirst, onlySecond, disagreements } = json;
    expect(total).toBe(6);
    expect(first.correct - second.correct).toBe(onlyFirst - onlySecond);
    expect(disagreements.length).toBeGreaterThanOrEqual(onlyFirst + onlySecond);
  });

  it('predict answers in every form', async () => {
    const json = JSON.parse((await run(['predict', classifier(), at('photos', 'test'), '--json'])).out);
    expect(json.predictions).toHaveLength(6);
    expect(json.predictions[0].ranking).toHaveLength(3);
    const csv = await run(
      ['predict', classifier(), '-', '--csv', '--top', '2'],
      [picture('red'), picture('blue')],
    );
    const [header, ...rows] = csv.out.trimEnd().split('\r\n');
    expect(header).toBe('image,id,name,probability,calibrated,rejected,name_2,probability_2,error');
    expect(rows.map((row) => row.split(',')[0])).toEqual([picture('red'), picture('blue')]);
    const lines = (await run(['predict', classifier(), at('photos/test/*/*.png'), '--ndjson'])).out
      .trimEnd()
      .split('\n');
    expect(lines.map((line) => JSON.parse(line).name)).toHaveLength(6);
    const table = await run(['predict', classifier(), picture('red')]);
    expect(table.out).toMatch(/^Picture +Answer +Sure\n/);
  });

  it.each([
    ['--together', 'transclip', 'transductive'],
    ['--together --method em-dirichlet --present 2', 'em-dirichlet', 'transductive'],
    ['--stream --method dmn', 'dmn', 'test_time'],
  ])('predict %s marks its answers', async (line, method, column) => {
    const pictures = [at('photos', 'test'), at('broken.jpg')];
    const predict = ['predict', classifier(), ...pictures, ...line.split(' ')];
    const { status, out, err } = await run([...predict, '--json']);
    expect(status).toBe(3);
    expect(err).toContain('The probabilities are not calibrated.');
    expect(err).toContain('1 of 7 pictures could not be read');
    const { predictions, failures } = JSON.parse(out);
    expect([predictions.length, failures.length]).toEqual([6, 1]);
    const field = column === 'test_time' ? 'testTime' : column;
    for (const answer of predictions) expect([answer[field], answer.calibrated]).toEqual([method, false]);
    const csv = (await run([...predict, '--csv'])).out.split('\r\n').map((row) => row.split(','));
    expect(csv[0]?.[6]).toBe(column);
    expect(csv[1]?.[6]).toBe(method);
    const lines = (await run([...predict, '--ndjson'])).out.trimEnd().split('\n');
    expect(lines.map((each) => JSON.parse(each)[field]).filter(Boolean)).toHaveLength(6);
  });

  it('predict --together says where classes cannot all occur', async () => {
    const two = ['predict', classifier(), picture('red'), picture('blue'), '--together'];
    const { err } = await run(two);
    expect(err).toMatch(/[0-2] of 2 answers differs? from those one by one\./);
    expect(err).toMatch(/One by one, the 2 pictures are of [12] of the 3 classes, but TransCLIP expects/);
    expect((await run([...two, '--method', 'em-dirichlet'])).err).not.toContain('One by one');
    const { err: all } = await run(['predict', classifier(), at('photos'), '--together']);
    expect(all).not.toContain('One by one');
    const { err: red } = await run(['predict', classifier(), at('photos/train/red'), '--together']);
    expect(red).toMatch(/pictures are of 1 of the 3 classes/);
  });

  it('predict --together refuses a single picture', async () => {
    const { status, err } = await run(['predict', classifier(), picture('red'), '--together']);
    expect(status).toBe(3);
    expect(err).toContain('error: TransCLIP answers pictures together and needs at least 2');
  });

  it('predict --device continues on the CPU if the device refuses, and prints one line about it', async () => {
    const predict = ['predict', classifier(), picture('red'), '--json'];
    const onCpu = JSON.parse((await run(predict)).out);
    const refused = (await examineDevices()).find((each) => each.refused !== undefined);
    const { status, out, err } = await run([...predict, '--device', refused?.device ?? 'none']);
    expect(status, err).toBe(0);
    expect(JSON.parse(out)).toEqual(onCpu);
    expect(err).toMatch(/^Device \w+ cannot be used \(.+\); the CPU replaces it\n$/);
    expect((await run([...predict, '--device', 'abacus'])).status).toBe(2);
  });

  it('predict answers the other pictures if one cannot be read, and ends with status 3', async () => {
    const { status, out, err } = await run([
      'predict',
      classifier(),
      picture('red'),
      at('broken.jpg'),
      '--csv',
    ]);
    expect(status).toBe(3);
    const [header, answer, failed] = out
      .trimEnd()
      .split('\r\n')
      .map((line) => line.split(','));
    expect(header).toEqual(['image', 'id', 'name', 'probability', 'calibrated', 'rejected', 'error']);
    expect(answer?.[4]).toBe('true');
    expect(failed?.slice(0, 6)).toEqual([at('broken.jpg'), '', '', '', '', '']);
    expect(failed?.[6]).toMatch(/./);
    expect(err).toContain(`${at('broken.jpg')}: `);
    expect(err).toContain('error: 1 of 2 pictures could not be read');
    const alone = await run(['predict', classifier(), at('nowhere.jpg')]);
    expect(alone).toMatchObject({ status: 3, out: '' });
    expect(alone.err.match(/nowhere\.jpg/g)).toHaveLength(1);
  });

  it('eval, compare and the report say that figures cover only a part, and end with status 3', async () => {
    const data = at('partly');
    await cp(at('photos', 'test'), data, { recursive: true });
    await cp(at('broken.jpg'), join(data, 'red', 'broken.jpg'));
    for (const command of [
      ['eval', classifier(), data],
      ['compare', classifier(), classifier(), data],
      ['export', classifier(), '--to', 'report', '--data', data, '-o', at('card.md')],
    ]) {
      const { status, out, err } = await run(command);
      expect(status, command[0]).toBe(3);
      expect(out).toContain('The figures do not cover 1 picture that could not be read.');
      expect(err).toContain('error: 1 of 7 pictures could not be read');
      expect(err).toMatch(/1 picture could not be read:\n.*broken\.jpg: /);
      const { partial, findings } = JSON.parse((await run([...command, '--json'])).out);
      expect([partial, findings[0].code]).toEqual([true, 'dataset/found']);
    }
    const whole = await run(['eval', classifier(), at('photos'), '--json']);
    expect([whole.status, JSON.parse(whole.out).partial]).toEqual([0, false]);
  });

  it('predict --copy-to sorts, and puts rejected pictures into their own folder', async () => {
    const sort = ['predict', classifier(), at('photos', 'test'), '--copy-to', at('sorted')];
    const { err } = await run([...sort, '--reject', '1']);
    expect(err).toContain(`Copied 6 pictures to ${at('sorted')}: unsure 6`);
    // Six pictures of two names: nothing is overwritten.
    expect(await readdir(at('sorted', 'unsure'))).toHaveLength(6);
  });

  it('explain shows parts and examples, with weights that add up', async () => {
    const { out } = await run(['explain', classifier(), picture('red'), '--json', '--top', '9']);
    const { classes, contributions } = JSON.parse(out);
    for (const { id, examples } of classes) {
      const weights = contributions.filter((c: { classId: string }) => c.classId === id);
      const sum = weights.reduce((total: number, { weight }: { weight: number }) => total + weight, 0);
      expect(sum).toBeCloseTo(examples, 3);
    }
    expect((await run(['explain', classifier(), picture('red')])).out).toContain('By examples');
  });

  it('add and remove change the file, or another one', async () => {
    const other = at('other.safetensors');
    const added = await run(['add', classifier(), picture('red'), '--label', 'crimson', '-o', other]);
    expect(added.out).toBe(`${other}: 4 classes (+1), 10 examples (+1)\n`);
    expect((await run(['info', classifier(), '--json'])).out).not.toContain('crimson');
    const removed = await run(['remove', other, '--class', 'crimson']);
    expect(removed.out).toBe(`${other}: 3 classes (−1), 9 examples (−1)\n`);
    const unknown = await run(['remove', other, '--class', 'gren']);
    expect(unknown.status).toBe(2);
    expect(unknown.err).toContain('green');
  });

  it('stops at an interrupt with status 130 and one line', async () => {
    const io = recordingIo({ signal: AbortSignal.abort() });
    expect(await runCli(['eval', classifier(), at('photos')], io)).toBe(130);
    expect(io.err().trimEnd().split('\n').at(-1)).toMatch(/^Interrupted\. Finished work is kept/);
  });
});
