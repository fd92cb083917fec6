import type { z } from 'zod';
import type { Classifier } from '../classifier/classifier.ts';
import { matchClasses } from '../dataset/classes.ts';
import { UsageError } from '../errors.ts';
import type { Expected, Model } from './model.ts';
import type { Registry } from './model-registry.ts';
import { Refusal } from './problem.ts';
import type { SentPicture } from './request-pictures.ts';
import { changeAnswer, examplesAnswer, explanationAnswer, modelAnswer, predict } from './responses.ts';
import * as schemas from './schemas.ts';

type BodyKind = 'none' | 'pictures' | z.ZodType;
type BodyOf<K extends BodyKind> = K extends 'pictures'
  ? SentPicture[]
  : K extends z.ZodType<infer T>
    ? T
    : undefined;

/** The checked input of a route. */
interface Ask<Q = unknown, B = unknown> {
  readonly registry: Registry;
  /** The classifier that the path names. */
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
  /** Kind of the body: none, pictures in any accepted form, or JSON of a schema. */
  readonly body: K;
  readonly answer: A;
  /** Whether the route changes the file. Such routes are refused by a read-only server, and have a longer deadline. */
  readonly changes?: true;
  act(ask: Ask<z.infer<Q>, BodyOf<K>>): Promise<z.infer<A>> | z.infer<A>;
}

/** A route in the form that the server and the OpenAPI document use. */
export interface Route extends Omit<RouteOf<z.ZodObject, BodyKind, z.ZodType>, 'act'> {
  act(ask: Ask): unknown;
}

/** Checks the types of a route where it is written, and returns it with the general type of the list. */
function route<Q extends z.ZodObject, K extends BodyKind, A extends z.ZodType>(
  shape: RouteOf<Q, K, A>,
): Route {
  return shape as unknown as Route;
}

const MODEL = '/v1/models/:model';

/** All routes about classifiers. */
export const routes: readonly Route[] = [
  route({
    method: 'get',
    path: '/v1/models',
    name: 'listModels',
    summary: 'List the classifiers that are served.',
    query: schemas.noQuery,
    body: 'none',
    answer: schemas.modelsSchema,
    act: ({ registry }) => ({ models: registry.all.map(modelAnswer) }),
  }),
  route({
    method: 'get',
    path: MODEL,
    name: 'getModel',
    summary: 'Describe a classifier.',
    query: schemas.noQuery,
    body: 'none',
    answer: schemas.modelSchema,
    act: ({ model }) => modelAnswer(model),
  }),
  route({
    method: 'post',
    path: `${MODEL}/predict`,
    name: 'predict',
    summary: 'Classify one picture or several.',
    query: schemas.predictQuery,
    body: 'pictures',
    answer: schemas.predictionsSchema,
    act: ({ model, query, body, signal }) => {
      const images = unlabelled(body);
      return model.use((classifier) => predict(model.name, classifier, images, { ...query, signal }));
    },
  }),
  route({
    method: 'post',
    path: `${MODEL}/explain`,
    name: 'explain',
    summary: 'Explain an answer: the parts of its score, and the examples that count most.',
    query: schemas.explainQuery,
    body: 'pictures',
    answer: schemas.explanationSchema,
    act: ({ model, query: { top }, body, signal }) => {
      const [image, ...more] = unlabelled(body); // at least one: see picturesIn
      if (more.length > 0)
        throw new Refusal(400, 'The body has several pictures, but only one can be explained at a time', {
          code: 'server/one',
          hint: 'Send each picture in a request of its own.',
        });
      return model.use(async (classifier) =>
        explanationAnswer(model.name, classifier, await classifier.explain(image!, { signal }), top),
      );
    },
  }),
  route({
    method: 'get',
    path: `${MODEL}/examples`,
    name: 'listExamples',
    summary: 'List the examples of a classifier.',
    query: schemas.examplesQuery,
    body: 'none',
    answer: schemas.examplesSchema,
    act: ({ model, query }) => examplesAnswer(model, query),
  }),
  route({
    method: 'post',
    path: `${MODEL}/examples`,
    name: 'addExamples',
    summary: 'Add examples; a label that the classifier does not know becomes a new class.',
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
    summary: 'Remove examples.',
    query: schemas.removeExamplesQuery,
    body: 'none',
    answer: schemas.changeSchema,
    changes: true,
    act: ({ query: { id }, ...ask }) =>
      change(ask, (classifier) => classifier.remove({ examples: id }, { signal: ask.signal })),
  }),
  route({
    method: 'post',
    path: `${MODEL}/classes`,
    name: 'addClass',
    summary: 'Add a class by its name alone.',
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
    summary: 'Remove classes with all their examples.',
    query: schemas.removeClassesQuery,
    body: 'none',
    answer: schemas.changeSchema,
    changes: true,
    act: ({ query: { name }, ...ask }) =>
      change(ask, (classifier) => classifier.remove({ classes: name }, { signal: ask.signal })),
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

/** Refuses labels in requests that add no examples. */
function unlabelled(pictures: readonly SentPicture[]) {
  return pictures.map(({ image, label }) => {
    if (label === undefined) return image;
    throw new Refusal(400, 'A label has no effect here: labels are for pictures that are added', {
      code: 'server/label',
      hint: 'Leave it out, or send the picture to /examples.',
    });
  });
}

function labelled(pictures: readonly SentPicture[], common?: string) {
  return pictures.map(({ image, label = common }) => {
    if (label !== undefined) return { image, label };
    throw new UsageError('A picture has no label', {
      code: 'add/label',
      hint: 'Add the label to the query, as in ?label=cat, or to each picture of a JSON body.',
    });
  });
}

/** A class without examples. Throws `UsageError` if the class exists, or if the classifier cannot answer with it. */
function classByName(
  { data }: Classifier,
  { name, promptName, prompts }: z.infer<typeof schemas.newClassSchema>,
) {
  const shown = name.replaceAll('_', ' ');
  const added = { id: name, name: shown, promptName: promptName ?? shown, prompts };
  const { toA } = matchClasses([added], data.classes);
  const known = data.classes.find((_, c) => toA[c] === 0);
  if (known) {
    throw new Refusal(409, `The classifier has a class "${known.id}" already`, {
      code: 'class/known',
    });
  }
  if (!data.head) {
    throw new UsageError('The classifier has no text head, so a class cannot be added by its name alone', {
      code: 'class/no-text',
      hint: 'Add the class with its first examples.',
    });
  }
  return { name: 'request', root: '', classes: [added], examples: [], findings: [] };
}
