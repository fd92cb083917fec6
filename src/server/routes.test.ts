import { beforeAll, describe, expect, it, vi } from 'vitest';
import type { Classifier } from '../classifier/classifier.ts';
import { picture, workspace } from '../classifier/fake-encoder.fixture.ts';
import { type Answer, fitAnimals, form, jpeg, type Served, serve } from './serve.fixture.ts';

vi.mock('../image/loader.ts', async (original) =>
  (await import('../classifier/fake-encoder.fixture.ts')).sharedThreads(original),
);

const at = workspace();
let classifier: Classifier;
let server: Served;
let cat: Buffer;
let dog: Buffer;

beforeAll(async () => {
  classifier = await fitAnimals(at('data'), at('animals.safetensors'));
  [cat, dog] = [await picture('cat', 7), await picture('dog', 7)];
  server = await serve({ models: [{ name: 'animals', path: at('animals.safetensors') }] });
});

/** The library's own answer. A picture's last digits depend on its company. */
const alone = async (bytes: Uint8Array) => (await classifier.predict([bytes])).predictions;
const close = (answers: Answer): Answer =>
  JSON.parse(JSON.stringify(answers), (_, value) =>
    typeof value === 'number' ? expect.closeTo(value, 5) : value,
  );

const predict = (init: RequestInit, query = '') => server.ask(`/v1/models/animals/predict${query}`, init);
const json = (value: unknown, method = 'POST'): RequestInit => ({
  method,
  headers: { 'content-type': 'application/json' },
  body: JSON.stringify(value),
});

describe('predict', () => {
  it('gives what the classifier gives, for raw bytes, a form and base64', async () => {
    const expected = [...(await alone(cat)), ...(await alone(dog))];
    const raw = await predict(jpeg(cat), '?top=3');
    expect(raw.status).toBe(200);
    expect(raw.json).toMatchObject({ model: 'animals', version: 1 });
    expect(raw.json.predictions).toEqual(close([expected[0]]));
    const formed = await predict(
      { method: 'POST', body: form({ 'a/cat.png': cat, 'dog.png': dog }) },
      '?top=3',
    );
    expect(formed.json.predictions).toEqual(
      close([
        { ...expected[0], image: 'a/cat.png' },
        { ...expected[1], image: 'dog.png' },
      ]),
    );
    const data = [cat.toString('base64'), `data:image/png;base64,${dog.toString('base64')}`];
    const based = await predict(
      json({ pictures: [{ data: data[0] }, { data: data[1], name: 'd' }] }),
      '?top=3',
    );
    expect(based.json.predictions).toEqual(close([expected[0], { ...expected[1], image: 'd' }]));
  });
});
