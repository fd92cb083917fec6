import type { z } from 'zod';
import type { Classifier } from '../classifier/classifier.ts';
import { matchClasses } from '../dataset/classes.ts';
import { UsageError } from '../errors.ts';
import { changeAnswer, examplesAnswer, explanationAnswer, modelAnswer, predict } from './answers.ts';
import type { Expected, Model } from './model.ts';
import type { SentPicture } from './pictures.ts';
import { Refusal } from './problem.ts';
import type { Registry } from './registry.ts';
import * as schemas from './schemas.ts';

type BodyKind = 'none' | 'pictures' | z.ZodType;
type BodyOf<K extends BodyKind> = K extends 'pictures'
  ? SentPicture[]
  : K extends z.ZodType<infer T>
    ? T
    : undefined;

/** What a route is given: everything checked already. */
interface Ask<Q = unknown, B = unknown> {
  readonly registry: Registry;
  /** The one that the address names, where it names one. */
  readonly model: Model;
  readonly query: Q;
  readonly body: B;
  readonly expected: Expected;
  readonly signal: AbortSignal;
}

interface RouteOf<Q extends z.ZodObject, K extends BodyKind, A extends z.ZodType> {
  readonly method: 'get' | 'post' | 'delete';
  readonly path: string;
  /** Name of the operation, for generated clients. */
  readonly name: string;
  readonly summary: string;
  readonly query: Q;
  /** None, pictures in any of the ways they may come, or JSON of a schema. */
  readonly body: K;
  readonly answer: A;
  /** Changes the file: refused by a server that only reads, and given more time. */
  readonly changes?: true;
  act(ask: Ask<z.infer<Q>, BodyOf<K>>): Promise<z.infer<A>> | z.infer<A>;
}

/** A route as the server and the OpenAPI document see it. */
export interface Route extends Omit<RouteOf<z.ZodObject, BodyKind, z.ZodType>, 'act'> {
  act(ask: Ask): unknown;
}

/** Keeps the types where a route is written, and forgets them where routes are listed. */
function route<Q extends z.ZodObject, K extends BodyKind, A extends z.ZodType>(
  shape: RouteOf<Q, K, A>,
): Route {
  return shape as unknown as Route;
}

const MODEL = '/v1/models/:model';

/** Everything that can be asked about classifiers. */
export const routes: readonly Route[] = [
  route({
    method: 'get',
    path: '/v1/models',
    name: 'listModels',
    summary: 'The classifiers that are served.',
    query: schemas.noQuery,
    body: 'none',
    answer: schemas.modelsSchema,
    act: ({ registry }) => ({ models: registry.all.map(modelAnswer) }),
  }),
  route({
    method: 'get',
    path: MODEL,
    name: 'getModel',
    summary: 'One classifier.',
    query: schemas.noQuery,
    body: 'none',
    answer: schemas.modelSchema,
    act: ({ model }) => modelAnswer(model),
  }),
  route({
    method: 'post',
    path: `${MODEL}/predict`,
    name: 'predict',
    summary: 'What is in one picture or in several.',
    query: schemas.predictQuery,
    body: 'pictures',
    answer: schemas.predictionsSchema,
    act: ({ model, query, body, signal }) => {
      const images = body.map(({ image }) => image);
      return model.use((classifier) => predict(model.name, classifier, images, { ...query, signal }));
    },
  }),
  route({
    method: 'post',
    path: `${MODEL}/explain`,
    name: 'explain',
    summary: 'Why a picture gets its answer: what the class names say, and which examples count most.',
    query: schemas.explainQuery,
    body: 'pictures',
    answer: schemas.explanationSchema,
    act: ({ model, query: { top }, body: [{ image }, ...more], signal }) => {
      if (more.length > 0)
        throw new Refusal(400, 'One picture is explained at a time', { code: 'server/one' });
      return model.use(async (classifier) =>
        explanationAnswer(model.name, classifier, await classifier.explain(image, { signal }), top),
      );
    },
  }),
  route({
    method: 'get',
    path: `${MODEL}/examples`,
    name: 'listExamples',
    summary: 'The examples that a classifier remembers.',
    query: schemas.examplesQuery,
    body: 'none',
    answer: schemas.examplesSchema,
    act: ({ model, query }) => examplesAnswer(model, query),
  }),
  route({
    method: 'post',
    path: `${MODEL}/examples`,
    name: 'addExamples',
    summary: 'Teach a classifier further examples; a label that it does not know becomes a new class.',
    query: schemas.addExamplesQuery,
    body: 'pictures',
    answer: schemas.changeSchema,
    changes: true,
    act: ({ query: { label }, body, ...ask }) =>
      change(ask, (classifier) => classifier.add(labelled(body, label), { signal: ask.signal })),
  }),
  route({
    method: 'delete',
    path: `${MODEL}/examples`,
    name: 'removeExamples',
    summary: 'Make a classifier forget examples.',
    query: schemas.removeExamplesQuery,
    body: 'none',
    answer: schemas.changeSchema,
    changes: true,
    act: ({ query: { id }, ...ask }) => change(ask, (classifier) => classifier.remove({ examples: id })),
  }),
  route({
    method: 'post',
    path: `${MODEL}/classes`,
    name: 'addClass',
    summary: 'Teach a classifier a class by its name alone.',
    query: schemas.addClassQuery,
    body: schemas.newClassSchema,
    answer: schemas.changeSchema,
    changes: true,
    act: ({ body, ...ask }) =>
      change(ask, (classifier) => classifier.add(classByName(classifier, body), { signal: ask.signal })),
  }),
  route({
    method: 'delete',
    path: `${MODEL}/classes`,
    name: 'removeClasses',
    summary: 'Make a classifier forget classes with all their examples.',
    query: schemas.removeClassesQuery,
    body: 'none',
    answer: schemas.changeSchema,
    changes: true,
    act: ({ query: { name }, ...ask }) => change(ask, (classifier) => classifier.remove({ classes: name })),
  }),
];

async function change(
  { model, expected, signal }: Pick<Ask, 'model' | 'expected' | 'signal'>,
  act: (classifier: Classifier) => Promise<Classifier>,
) {
  let known: ReadonlySet<string> = new Set();
  const changed = await model.change(
    expected,
    (before) => {
      known = new Set(before.data.examples.map(({ id }) => id));
      return act(before);
    },
    signal,
  );
  return changeAnswer(model, changed, known);
}

function labelled(pictures: readonly SentPicture[], common?: string) {
  return pictures.map(({ image, label = common }) => {
    if (label !== undefined) return { image, label };
    throw new UsageError('A picture has no label: what it shows', {
      code: 'add/label',
      hint: 'Put it into the address, as in ?label=cat, or give each picture of a JSON body its own.',
    });
  });
}

/** A class without examples, as data sets have them. Throws `UsageError` where it is there, or could never be the answer. */
function classByName(
  { data }: Classifier,
  { name, promptName, prompts }: z.infer<typeof schemas.newClassSchema>,
) {
  const shown = name.replaceAll('_', ' ');
  const added = { id: name, name: shown, promptName: promptName ?? shown, prompts };
  const [known] = matchClasses([added], data.classes).toB;
  if (known >= 0) {
    throw new Refusal(409, `The classifier has a class "${data.classes[known].id}"`, { code: 'class/known' });
  }
  if (!data.head) {
    throw new UsageError('The classifier knows classes by their examples alone', {
      code: 'class/no-text',
      hint: 'Add the class with its first examples.',
    });
  }
  return { name: 'request', root: '', classes: [added], examples: [], findings: [] };
}
