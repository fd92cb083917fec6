import type { z } from 'zod';
import type { Classifier } from '../classifier/classifier.ts';
import { matchClasses } from '../dataset/classes.ts';
import { checkNewClass } from '../dataset/names.ts';
import { UsageError } from '../errors.ts';
import { answerPictures } from './answering.ts';
import { inferenceRoutes } from './inference-routes.ts';
import { Refusal } from './problem.ts';
import type { SentPicture } from './request-pictures.ts';
import {
  changeAnswer,
  examplesAnswer,
  explanationAnswer,
  modelAnswer,
  predictionsAnswer,
} from './responses.ts';
import { type Ask, type Route, route } from './route.ts';
import * as schemas from './schemas.ts';

const MODEL = '/v1/models/:model';

/** All routes about classifiers. */
export const routes: readonly Route[] = [
  ...inferenceRoutes,
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
    act: ({ query: { top, reject }, body, samples, signal, use }) => {
      const images = unlabelled(body);
      return use(async (ready) => {
        const { answers } = await answerPictures(ready, images, { reject, samples, signal });
        return predictionsAnswer(ready, answers, top);
      });
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
    act: ({ query: { top }, body, signal, use }) => {
      const [image, ...more] = unlabelled(body); // at least one: see picturesIn
      if (more.length > 0)
        throw new Refusal(400, 'The body has several pictures, but only one can be explained at a time', {
          code: 'server/one',
          hint: 'Send each picture in a request of its own.',
        });
      return use(async (ready) =>
        explanationAnswer(ready, await ready.classifier.explain(image!, { signal }), top),
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
  checkNewClass(name);
  if (!data.head) {
    throw new UsageError('The classifier has no text head, so a class cannot be added by its name alone', {
      code: 'class/no-text',
      hint: 'Add the class with its first examples.',
    });
  }
  return { name: 'request', root: '', classes: [added], examples: [], findings: [] };
}
