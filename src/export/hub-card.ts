import { stringify } from 'yaml';
import type { ClassifierData, Evaluation } from '../classifier/types.ts';
import { tuningRowsText } from '../report/choice.ts';
import { modelCard } from './card.ts';

/** The contents of a repository on the hub beside the classifier's file. */
export interface HubContent {
  /** `owner/name`. */
  readonly repo: string;
  readonly evaluation?: Evaluation;
  /** The name of the data of the evaluation. */
  readonly evaluatedOn?: string;
  /** The ONNX model, and its input. */
  readonly onnx?: { readonly path: string; readonly input: string };
  /** Folder of the site, and path of the page. */
  readonly site?: string;
  readonly page?: string;
}

/**
 * The model card of a repository on the hub: the classifier's card behind metadata in YAML, with how to use the files. The metadata follow
 * https://huggingface.co/docs/hub/model-cards. The accuracy is that of the evaluation, else that on left-out examples, with its protocol.
 */
export function hubCard(data: ClassifierData, content: HubContent): string {
  const { encoder, method } = data;
  const [, base] = /^hf:([^@]+)/.exec(encoder.source) ?? [];
  const result = resultOf(data, content);
  const metadata = {
    ...licenceOf(encoder.licence),
    library_name: 'tip-adapter',
    pipeline_tag: 'image-classification',
    tags: ['image-classification', 'few-shot', 'tip-adapter', method, ...(content.onnx ? ['onnx'] : [])],
    ...(base && { base_model: base, base_model_relation: 'adapter' }),
    ...(result && {
      metrics: ['accuracy'],
      'model-index': [{ name: content.repo.replace(/^.*\//, ''), results: [result] }],
    }),
  };
  const [title, about, ...rest] = modelCard(data, content.evaluation).split('\n\n');
  return [`---\n${stringify(metadata)}---`, title, about, usage(data, content), ...rest].join('\n\n');
}

/** Identifiers of licences that the hub knows (https://huggingface.co/docs/hub/repositories-licenses). */
const LICENCES = [
  ...[
    'apache-2.0',
    'mit',
    'openrail',
    'bsd-2-clause',
    'bsd-3-clause',
    'cc0-1.0',
    'cc-by-4.0',
    'cc-by-sa-4.0',
  ],
  ...['cc-by-nc-4.0', 'cc-by-nc-sa-4.0', 'cc-by-nd-4.0', 'gpl-3.0', 'lgpl-3.0', 'agpl-3.0', 'mpl-2.0'],
  ...['unlicense', 'apple-amlr', 'gemma'],
];

/** The encoder's licence, by the hub's identifier or else as `other` with its name. */
function licenceOf(licence: string) {
  const id = licence.toLowerCase();
  return LICENCES.includes(id)
    ? { license: id }
    : { license: 'other', license_name: id.replace(/[^a-z0-9.]+/g, '-').replace(/^-|-$/g, '') || 'unknown' };
}

/** The accuracy in the form of a model index. Undefined without an evaluation and without left-out examples. */
function resultOf(data: ClassifierData, { evaluation, evaluatedOn = 'unnamed' }: HubContent) {
  const { tuning, dataset, method } = data;
  const result = (name: string, split: string, metrics: readonly object[], args: object) => ({
    task: { type: 'image-classification' },
    dataset: { type: name, name, split, args },
    metrics,
  });
  const metric = (type: string, name: string, value: number) => ({ type, name, value });
  // Scores on examples that the encoder was fine-tuned on are too good to be published.
  if (tuning.fineTuned && (!evaluation || evaluation.leftOutFolds !== undefined)) return undefined;
  if (evaluation) {
    const { accuracy, nll, ece, total, interval, protocol, leftOutFolds } = evaluation;
    return result(
      leftOutFolds === undefined ? evaluatedOn : dataset,
      leftOutFolds === undefined ? 'pictures that are not examples' : 'examples, each left out',
      [
        metric('accuracy', 'Accuracy', accuracy),
        metric('nll', 'Negative log-likelihood', nll),
        metric('ece', 'Expected calibration error', ece),
      ],
      { pictures: total, interval_95: interval, tuned_on: protocol },
    );
  }
  const { compared = [], judges, protocol, folds } = tuning;
  const own = compared.find((one) => one.method === method);
  if (!own) return undefined;
  const split = tuningRowsText(data);
  return result(
    dataset,
    split,
    [
      metric('accuracy', 'Accuracy on the rows that the method was chosen on', own.accuracy),
      metric('nll', 'Negative log-likelihood on these rows', own.nll),
    ],
    { rows: judges, folds, tuned_on: protocol },
  );
}

/** The section about the use of the repository's files. */
function usage({ encoder, classes }: ClassifierData, { repo, onnx, site, page }: HubContent): string {
  return [
    '## How to use it',
    'With [tip-adapter](https://www.npmjs.com/package/tip-adapter), on the command line and in a program:',
    fenced('sh', `npx tip-adapter encoders pull ${encoder.id}\nnpx tip-adapter predict hf:${repo} photo.jpg`),
    fenced(
      'js',
      `import { load } from 'tip-adapter';\n\nconst classifier = await load('hf:${repo}');\nconst { name, probability } = await classifier.predict('photo.jpg');`,
    ),
    ...(onnx
      ? [
          `\`${onnx.path}\` is the classifier for any ONNX runtime, from \`${onnx.input}\` to \`probabilities\` [n, ${classes.length}]. Its metadata have the names of the classes.`,
        ]
      : []),
    ...(site
      ? [
          `\`${site}\` is the classifier with its encoder for a web page: \`open('https://huggingface.co/${repo}/resolve/main/${site}')\` of \`tip-adapter/web\`.`,
        ]
      : []),
    ...(page
      ? [`\`${page}\` is a page that classifies pictures without a network: download and open it.`]
      : []),
  ].join('\n\n');
}

function fenced(language: string, code: string): string {
  return `\`\`\`${language}\n${code}\n\`\`\``;
}
