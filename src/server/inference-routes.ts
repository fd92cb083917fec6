import { isFailure } from '../classifier/failure.ts';
import { errorAbout } from '../errors.ts';
import type { Matrix } from '../math/matrix.ts';
import { version } from '../version.ts';
import { count } from '../words.ts';
import { type AnswerOptions, answerFeatures, answerPictures } from './answering.ts';
import { encodeInference, type Inference, inferenceOutputs, inferenceTensors } from './inference.ts';
import * as schemas from './inference-schemas.ts';
import type { Ready } from './model.ts';
import { Refusal } from './problem.ts';
import { type Ask, type Route, route } from './route.ts';
import { noQuery } from './schemas.ts';

/** The routes of the Open Inference Protocol, version 2, that need a token. */
export const inferenceRoutes: readonly Route[] = [
  route({
    method: 'get',
    path: '/v2',
    name: 'inferenceServer',
    summary: 'Open Inference Protocol: name, version and extensions of the server.',
    query: noQuery,
    body: 'none',
    answer: schemas.inferenceServerSchema,
    act: () => ({ name: 'tip-adapter', version, extensions: ['binary_tensor_data'] }),
  }),
  ...modelRoutes('/v2/models/:model', ''),
  ...modelRoutes('/v2/models/:model/versions/:version', 'OfVersion'),
];

/** The routes of a classifier, with or without a version in the path. */
function modelRoutes(path: string, suffix: string): Route[] {
  return [
    route({
      method: 'get',
      path,
      name: `inferenceModel${suffix}`,
      summary: 'Open Inference Protocol: inputs and outputs of a classifier.',
      query: noQuery,
      body: 'none',
      answer: schemas.inferenceModelSchema,
      act: ({ use }) =>
        use(async ({ name, classifier: { data } }) => ({
          name,
          versions: [String(data.version)],
          platform: 'tip-adapter',
          ...inferenceTensors(data.encoder.dimension, data.classes.length),
        })),
    }),
    route({
      method: 'get',
      path: `${path}/ready`,
      name: `inferenceModelReady${suffix}`,
      summary: 'Open Inference Protocol: whether a classifier is ready.',
      query: noQuery,
      body: 'none',
      answer: schemas.inferenceReadySchema,
      act: ({ use }) => use(async ({ name }) => ({ name, ready: true })),
    }),
    route({
      method: 'post',
      path: `${path}/infer`,
      name: `infer${suffix}`,
      summary: 'Open Inference Protocol: classify pictures or their embeddings.',
      query: noQuery,
      body: 'inference',
      answer: schemas.inferenceAnswerSchema,
      encode: encodeInference,
      act: (ask) => ask.use((ready) => infer(ready, ask)),
    }),
  ];
}

async function infer(ready: Ready, { body, samples, signal }: Ask<unknown, Inference>) {
  const { request, pictures, features } = body;
  const { data } = ready.classifier;
  const options = { reject: request.parameters?.reject, samples, signal };
  const { predictions, probabilities } = features
    ? await answerFeatures(ready, checked(features, data.encoder.dimension), namesOf(features.rows), options)
    : await answerAll(ready, pictures, options);
  return {
    model_name: ready.name,
    model_version: String(data.version),
    id: request.id,
    parameters: { hash: ready.hash },
    outputs: inferenceOutputs(request, {
      class: predictions.map(({ id }) => id),
      probability: predictions.map(({ probability }) => probability),
      rejected: predictions.map(({ rejected }) => rejected),
      probabilities,
      classes: data.classes.map(({ id }) => id),
    }),
  };
}

const namesOf = (n: number): string[] => Array.from({ length: n }, (_, i) => String(i));

/** Answers to pictures, which must all be readable, because the protocol has one error for a request. */
async function answerAll(ready: Ready, pictures: readonly Uint8Array[], options: AnswerOptions) {
  const { answers, probabilities } = await answerPictures(ready, pictures, options);
  const predictions = answers.map((answer, i) => {
    if (isFailure(answer)) throw errorAbout(`inputs.0.data.${i}`, answer.error);
    return answer;
  });
  return { predictions, probabilities };
}

function checked(features: Matrix, dimension: number): Matrix {
  if (features.cols === dimension) return features;
  throw new Refusal(
    400,
    `inputs.0.shape has ${count(features.cols, 'number')} a row, but the encoder gives ${dimension}`,
    {
      code: 'server/request',
      hint: "Send embeddings of the classifier's own encoder.",
    },
  );
}
