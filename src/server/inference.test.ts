import { execFile, spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { promisify } from 'node:util';
import { beforeAll, describe, expect, it } from 'vitest';
import { fakeEncoder } from '../classifier/fake-encoder.fixture.ts';
import { matrix } from '../math/matrix.ts';
import { type Answer, fittedAnimals, PREDICT, png, post, type Served, serve } from './serve.fixture.ts';

const INFER = '/v2/models/animals/infer';
const animals = fittedAnimals();
let server: Served;
let folder: string;
beforeAll(async () => {
  const model = await animals.copy('inference');
  folder = dirname(model.path);
  server = await serve({ models: [model] });
});

const ask = (inputs: unknown, more: object = {}) =>
  server.ask(INFER, post('application/json', JSON.stringify({ inputs, ...more })));
const pictures = (...bytes: Buffer[]) => [
  { name: 'image', datatype: 'BYTES', shape: [bytes.length], data: bytes.map((b) => b.toString('base64')) },
];
const output = (answer: Answer, name: string) =>
  answer.outputs.find((told: { name: string }) => told.name === name);

describe('the Open Inference Protocol', () => {
  it('tells health without a token, and what is served with one', async () => {
    const token = 'a-token-of-enough-characters';
    const closed = await serve({ models: [await animals.copy('closed')], token });
    expect((await closed.ask('/v2/health/live')).json).toEqual({ live: true });
    expect((await closed.ask('/v2/health/ready')).json).toEqual({ ready: true });
    const refused = await closed.ask('/v2/models/animals');
    expect([refused.status, refused.json.error]).toEqual([
      401,
      'A token is needed. Send the header Authorization: Bearer <token>.',
    ]);
    const headers = { authorization: `Bearer ${token}` };
    expect((await closed.ask('/v2', { headers })).json).toMatchObject({
      name: 'tip-adapter',
      extensions: ['binary_tensor_data'],
    });
    expect((await closed.ask('/v2/models/animals', { headers })).json).toMatchObject({
      name: 'animals',
      versions: ['1'],
      inputs: [
        { name: 'image', datatype: 'BYTES', shape: [-1] },
        { name: 'features', datatype: 'FP32' },
      ],
      outputs: [{}, {}, {}, { name: 'probabilities', datatype: 'FP32', shape: [-1, 3] }, {}],
    });
    const { json, headers: told } = await closed.ask('/v2/models/animals/versions/1/ready', { headers });
    expect(json).toEqual({ name: 'animals', ready: true });
    expect(told.get('x-classifier-version')).toBe('1');
  });

  it('gives the answers of predict for pictures in base64', async () => {
    const { json, headers } = await ask(pictures(animals.cat, animals.dog), { id: 'mine' });
    expect(json).toMatchObject({ model_name: 'animals', model_version: '1', id: 'mine' });
    expect(json.parameters.hash).toBe(headers.get('x-classifier-hash'));
    expect(output(json, 'classes').data).toEqual(['cat', 'dog', 'fox']);
    expect(output(json, 'class')).toEqual({
      name: 'class',
      datatype: 'BYTES',
      shape: [2],
      data: [animals.answer, expect.any(String)],
    });
    expect(output(json, 'probabilities').shape).toEqual([2, 3]);
    const predicted = (await server.ask(PREDICT, png(animals.cat))).json;
    expect(predicted.hash).toBe(json.parameters.hash);
    const [{ id, probability, ranking }] = predicted.predictions;
    expect(output(json, 'class').data[0]).toBe(id);
    expect(output(json, 'probability').data[0]).toBeCloseTo(probability, 5);
    const byClass = ['cat', 'dog', 'fox'].map(
      (wanted) => ranking.find((r: Answer) => r.id === wanted).probability,
    );
    byClass.forEach((value, c) => {
      expect(output(json, 'probabilities').data[c]).toBeCloseTo(value, 5);
    });
  });

  it('takes embeddings, and sends the wanted outputs only', async () => {
    const encoder = fakeEncoder();
    const { features } = animals.classifier.data.support;
    const first = matrix(1, features.cols, features.data.slice(0, features.cols));
    const { data } = await animals.classifier.probabilities(first);
    const expected = ['cat', 'dog', 'fox'][data.indexOf(Math.max(...data))];
    const { json } = await ask(
      [{ name: 'features', datatype: 'FP32', shape: [1, encoder.dimension], data: [[...first.data]] }],
      { outputs: [{ name: 'rejected' }, { name: 'class' }], parameters: { reject: 1 } },
    );
    expect(json.outputs).toEqual([
      { name: 'class', datatype: 'BYTES', shape: [1], data: [expected] },
      { name: 'rejected', datatype: 'BOOL', shape: [1], data: [true] },
    ]);
  });

  it('takes pictures and embeddings that are nested as their shape says', async () => {
    const probabilities = async (shape: number[], data: unknown) => {
      const { json } = await ask([{ name: 'features', datatype: 'FP32', shape, data }]);
      return output(json, 'probabilities').data;
    };
    const { cols, data } = animals.classifier.data.support.features;
    const [a, b] = [[...data.slice(0, cols)], [...data.slice(cols, 2 * cols)]];
    expect(await probabilities([2, cols], [a, b])).toEqual(await probabilities([2, cols], [...a, ...b]));
    const [flat] = pictures(animals.cat, animals.dog);
    const nested = { ...flat, shape: [2, 1], data: flat!.data.map((text) => [text]) };
    expect((await ask([nested])).json.outputs).toEqual((await ask([flat])).json.outputs);
  });

  it('sends and takes binary data', async () => {
    const bytes = Buffer.concat(
      [animals.cat, animals.dog].flatMap((picture) => {
        const length = Buffer.alloc(4);
        length.writeUInt32LE(picture.length);
        return [length, picture];
      }),
    );
    const parameters = { binary_data_size: bytes.length };
    const json = Buffer.from(
      JSON.stringify({
        parameters: { binary_data_output: true },
        inputs: [{ name: 'image', datatype: 'BYTES', shape: [2, 1], parameters }],
        outputs: [{ name: 'class' }, { name: 'probability', parameters: { binary_data: false } }],
      }),
    );
    const answer = await fetch(`${server.address}${INFER}`, {
      method: 'POST',
      headers: {
        'content-type': 'application/octet-stream',
        'inference-header-content-length': String(json.length),
      },
      body: Buffer.concat([json, bytes]),
    });
    const length = Number(answer.headers.get('inference-header-content-length'));
    const body = Buffer.from(await answer.arrayBuffer());
    const { outputs } = JSON.parse(body.subarray(0, length).toString());
    const base = (await ask(pictures(animals.cat, animals.dog))).json;
    const [first, second] = output(base, 'class').data;
    expect(body.subarray(length).toString('latin1')).toBe(
      [first, second].map((id: string) => `${String.fromCharCode(id.length)}\0\0\0${id}`).join(''),
    );
    expect(outputs[0]).toEqual({
      name: 'class',
      datatype: 'BYTES',
      shape: [2],
      parameters: { binary_data_size: body.length - length },
    });
    expect(outputs[1].data[0]).toBeCloseTo(output(base, 'probability').data[0], 5);
  });

  it('refuses what it does not understand, and names it', async () => {
    const { dimension } = fakeEncoder();
    const features = (shape: number[], data: unknown) => [
      { name: 'features', datatype: 'FP32', shape, data },
    ];
    const refused: [unknown, object, number, RegExp][] = [
      [pictures(), {}, 400, /no picture/],
      [pictures(Buffer.from('no picture')), {}, 422, /inputs\.0\.data\.0/],
      [[{ ...pictures(animals.cat)[0], datatype: 'FP32' }], {}, 400, /datatype is FP32/],
      [[{ ...pictures(animals.cat)[0], shape: [2] }], {}, 400, /2 elements, and 1 came/],
      [[{ ...pictures(animals.cat)[0], data: ['****'] }], {}, 400, /not base64/],
      // Rows and columns that are exchanged, rows of unequal length, and lists within rows.
      [features([2, dimension], Array(dimension).fill([1, 2])), {}, 400, /data is not a list of 2 elements/],
      [
        features([2, dimension], [Array(dimension + 1).fill(1), Array(dimension - 1).fill(1)]),
        {},
        400,
        /data\.0 is not a list of/,
      ],
      [features([1, dimension], [[...Array(dimension - 1).fill(1), [1]]]), {}, 400, /is not a number/],
      [features([1, 3], [1, [2], 3]), {}, 400, /data\.1 is not a number/],
      [[{ ...pictures(animals.cat)[0], data: [[animals.cat.toString('base64')]] }], {}, 400, /not a text/],
      [features([1, 3], [1, 2, 3]), {}, 400, /3 numbers a row, but the encoder gives/],
      [features([1, dimension], Array(dimension).fill(1e60)), {}, 400, /not a finite number/],
      [features([1, dimension], ['1']), {}, 400, /data\.0 is not a number/],
      [pictures(animals.cat), { outputs: [{ name: 'logits' }] }, 400, /outputs/],
      [
        pictures(animals.cat),
        { outputs: [{ name: 'class', parameters: { classification: 2 } }] },
        400,
        /classification/,
      ],
      [[{ name: 'image', datatype: 'BYTES', shape: [1] }], {}, 400, /either data or/],
    ];
    for (const [inputs, more, status, message] of refused) {
      const answer = await ask(inputs, more);
      expect([answer.status, answer.json.error]).toEqual([status, expect.stringMatching(message)]);
    }
    const old = await server.ask('/v2/models/animals/versions/7/infer', post('application/json', '{}'));
    expect([old.status, old.json.code]).toEqual([400, 'server/request']);
    const known = await server.ask('/v2/models/animals/versions/7');
    expect([known.status, known.json.code]).toEqual([404, 'server/no-version']);
    const long = post('application/json', '{}');
    const headers = { ...long.headers, 'inference-header-content-length': '99' };
    expect((await server.ask(INFER, { ...long, headers })).json.error).toMatch(/is 99, but the body has 2/);
  });
});

const python = process.env.PYTHON ?? 'python3';
const client = spawnSync(python, ['-c', 'import tritonclient.http, numpy']).status === 0;

it.skipIf(!client)(
  `tritonclient (PyPI) gets answers${client ? '' : ' (skipped: python3 has no tritonclient[http])'}`,
  async () => {
    await writeFile(join(folder, 'cat.png'), animals.cat);
    const program = `
import sys, json, numpy as np, tritonclient.http as http
from tritonclient.utils import InferenceServerException
client = http.InferenceServerClient(sys.argv[1])
picture = open(sys.argv[2], 'rb').read()
told = {'live': client.is_server_live(), 'ready': client.is_model_ready('animals'),
        'outputs': [o['name'] for o in client.get_model_metadata('animals', '1')['outputs']]}
def infer(binary, outputs=None, picture=picture):
    image = http.InferInput('image', [1], 'BYTES')
    if not binary:
        import base64
        picture = base64.b64encode(picture)
    image.set_data_from_numpy(np.array([picture], dtype=object), binary_data=binary)
    return client.infer('animals', [image], outputs=outputs)
binary = infer(True)
told['binary'] = [binary.as_numpy('class')[0].decode(), float(binary.as_numpy('probabilities').sum()), bool(binary.as_numpy('rejected')[0])]
plain = infer(False, [http.InferRequestedOutput('class', binary_data=False)])
told['json'] = plain.as_numpy('class')[0]
told['version'] = plain.get_response()['model_version']
try:
    infer(True, picture=b'nothing')
except InferenceServerException as error:
    told['error'] = error.message()
print(json.dumps(told))
`;
    const doc = readFileSync(join(import.meta.dirname, '../../docs/server.md'), 'utf8');
    const [, example = ''] = /```python\n([\s\S]*?)```/.exec(doc) ?? [];
    const own = example
      .replace('127.0.0.1:8080', new URL(server.address).host)
      .replace('"pets"', '"animals"')
      .replace('cat.jpg', 'cat.png');
    const shown = await promisify(execFile)(python, ['-c', own], { cwd: folder });
    expect(shown.stdout).toMatch(new RegExp(`^${animals.answer} 0\\.\\d+\n$`));
    const args = ['-c', program, new URL(server.address).host, join(folder, 'cat.png')];
    const { stdout } = await promisify(execFile)(python, args);
    expect(JSON.parse(stdout)).toEqual({
      live: true,
      ready: true,
      outputs: ['class', 'probability', 'rejected', 'probabilities', 'classes'],
      binary: [animals.answer, expect.closeTo(1, 5), false],
      json: animals.answer,
      version: '1',
      error: expect.stringContaining('inputs.0.data.0'),
    });
  },
);
