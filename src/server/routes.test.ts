import { beforeAll, describe, expect, it } from 'vitest';
import { fakeEncoder } from '../classifier/fake-encoder.fixture.ts';
import { modelFile } from './model-registry.ts';
import type { Route } from './route.ts';
import { routes } from './routes.ts';
import { type Answer, fittedAnimals, form, PREDICT, png, post, type Served, serve } from './serve.fixture.ts';

const animals = fittedAnimals();
let server: Served;
beforeAll(async () => {
  server = await serve({ models: [await animals.copy('routes')] });
});

/** The library's own answer. The last digits of a picture's scores depend on the other pictures of its batch. */
const alone = async (bytes: Uint8Array) => (await animals.classifier.predict([bytes])).predictions;
const close = (answers: Answer): Answer =>
  JSON.parse(JSON.stringify(answers), (_, value) =>
    typeof value === 'number' ? expect.closeTo(value, 5) : value,
  );

const predict = (init: RequestInit, query = '') => server.ask(`${PREDICT}${query}`, init);
const json = (value: unknown) => post('application/json', JSON.stringify(value));

/** The answer of a route, which has exactly the fields of its schema. */
async function answerOf(name: string, query: string, init?: RequestInit): Promise<Answer> {
  const route = routes.find((known) => known.name === name) as Route;
  const path = route.path.replace(':model', 'animals') + query;
  const { status, json: answer } = await server.ask(path, { method: route.method.toUpperCase(), ...init });
  expect(status).toBe(200);
  expect(route.answer.parse(answer)).toEqual(answer);
  return answer;
}

describe('predict', () => {
  it("gives the classifier's answers for raw bytes, a form and base64", async () => {
    const { cat, dog } = animals;
    const expected = [...(await alone(cat)), ...(await alone(dog))];
    const raw = await answerOf('predict', '?top=3', png(cat));
    expect(raw).toMatchObject({
      model: 'animals',
      version: 1,
      hash: expect.stringMatching(/^[0-9a-f]{64}$/),
    });
    expect(raw.predictions).toEqual(close([expected[0]]));
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
    const lines = cat.toString('base64').replace(/.{76}/g, '$&\n');
    expect(lines.match(/\n/g)?.length).toBeGreaterThan(1);
    const data = [lines, `data:image/png;base64,${dog.toString('base64')}`];
    const based = await predict(
      json({ pictures: [{ data: data[0] }, { data: data[1], name: 'd' }] }),
      '?top=3',
    );
    expect(based.json.predictions).toEqual(close([expected[0], { ...expected[1], image: 'd' }]));
  });

  it('ranks the requested number of classes, and answers "none of these" below a probability', async () => {
    const { predictions } = await answerOf('predict', '?top=1&reject=1', png(animals.cat));
    expect(predictions[0]).toMatchObject({ rejected: true, ranking: { length: 1 } });
  });
});

describe('the other routes', () => {
  it('explain an answer', async () => {
    const { prediction, classes, contributions } = await answerOf('explain', '?top=2', png(animals.dog));
    const expected = await animals.classifier.explain(animals.dog);
    expect(prediction.name).toBe(expected.prediction.name);
    expect(classes).toEqual(close(expected.classes.slice(0, 2)));
    expect(contributions[0].example).toBe(expected.contributions[0]!.example);
    const two = form({ a: animals.cat, b: animals.dog });
    const refused = await server.ask('/v1/models/animals/explain', { method: 'POST', body: two });
    expect(refused.json.code).toBe('server/one');
  });

  it('show what is served', async () => {
    const { models } = await answerOf('listModels', '');
    expect(models).toEqual([await answerOf('getModel', '')]);
    expect(models[0].classes).toEqual(['cat', 'dog', 'fox'].map((id) => ({ id, name: id, examples: 3 })));
    const { total, examples } = await answerOf('listExamples', '?offset=4&limit=2');
    expect(total).toBe(9);
    const ids = animals.classifier.data.examples.map(({ id }) => id);
    expect(examples.map(({ id }: Answer) => id)).toEqual(ids.slice(4, 6));
    expect(examples.map(({ classId }: Answer) => classId)).toEqual(['dog', 'dog']);
  });

  it('add and remove examples', async () => {
    const owls = json({ pictures: [{ data: animals.cat.toString('base64'), name: 'o', label: 'owl' }] });
    expect((await answerOf('addExamples', '', owls)).added).toEqual(['o']);
    await answerOf('removeExamples', '?id=o');
    await answerOf('addClass', '', json({ name: 'sea_horse', prompts: ['a fish like a horse'] }));
    const { classes } = await answerOf('getModel', '');
    expect(classes.at(-1)).toEqual({ id: 'sea_horse', name: 'sea horse', examples: 0 });
    const { model } = await answerOf('removeClasses', '?name=sea%20horse&name=owl');
    expect([model.version, model.classes.length]).toEqual([5, 3]);
  });

  it("give metrics in Prometheus' format", async () => {
    const response = await fetch(`${server.address}/metrics`);
    expect(response.headers.get('content-type')).toBe('text/plain; version=0.0.4; charset=utf-8');
    const text = await response.text();
    const sample = /^[a-z_]+(_bucket)?(\{([a-z]+="[^"\n]*",?)+\})? \d+(\.\d+)?(e-?\d+)?$/;
    for (const line of text.trimEnd().split('\n')) {
      if (!line.startsWith('# ')) expect(line).toMatch(sample);
    }
    expect(text).toMatch(
      /^tip_adapter_requests_total\{route="\/v1\/models\/:model\/predict",method="POST",status="200"\} [1-9]/m,
    );
    for (const name of ['request_seconds_count', 'batch_size_sum', 'pictures_total', 'model_version']) {
      expect(text).toContain(`tip_adapter_${name}`);
    }
  });
});

describe('several classifiers', () => {
  it('share one encoder and its batches; the last one frees it', async () => {
    const opened: string[] = [];
    const encoder = fakeEncoder();
    const both = await serve({
      models: [await animals.copy('one'), { ...(await animals.copy('two')), name: 'others' }],
      openEncoder: async ({ id }) => {
        opened.push(id);
        return encoder;
      },
    });
    const answers = await Promise.all(
      ['animals', 'others'].map((name) => both.ask(`/v1/models/${name}/predict`, png(animals.cat))),
    );
    expect(answers.map((answer) => answer.json.predictions[0].name)).toEqual(Array(2).fill(animals.answer));
    expect(opened).toEqual(['fake']);
    await both.close();
    expect(encoder.asked.closed).toBe(1);
  });

  it('need different names that are valid in an address', async () => {
    const model = await animals.copy('same');
    await expect(serve({ models: [model, model] })).rejects.toMatchObject({ code: 'server/same-name' });
    expect(modelFile('pets=/srv/a b.safetensors')).toEqual({ name: 'pets', path: '/srv/a b.safetensors' });
    expect(modelFile('/srv/pets-v3.safetensors').name).toBe('pets-v3');
    for (const given of ['/srv/a b.safetensors', '..=x', '-x=y', '.safetensors']) {
      expect(() => modelFile(given)).toThrow(expect.objectContaining({ code: 'server/name' }));
    }
  });
});

describe('the OpenAPI document', () => {
  it('has every route, and everything that it refers to', async () => {
    const { json: document } = await server.ask('/openapi.json');
    expect(document.openapi).toBe('3.1.0');
    for (const { method, path, name } of routes) {
      expect(document.paths[path.replace(/:(\w+)/g, '{$1}')][method].operationId).toBe(name);
    }
    expect(Object.keys(document.paths)).toContain('/openapi.json');
    expect(Object.keys(document.paths['/readyz'].get.responses[503].content)).toEqual(['application/json']);
    const { parameters } = document.paths['/v1/models/{model}/predict'].post;
    expect(parameters[1]).toMatchObject({ name: 'top', in: 'query', schema: { default: 5, minimum: 1 } });
    for (const [, name] of JSON.stringify(document).matchAll(/#\/components\/schemas\/(\w+)/g)) {
      expect(document.components.schemas).toHaveProperty(name!);
    }
  });
});
