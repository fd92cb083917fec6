import { z } from 'zod';
import { WORK_KINDS } from '../scale/work.ts';

/**
 * Schemas of the output of each command under `--json`. The files in schema/ are made from them. The program itself does not use
 * them: a test compares the output of the commands with the files.
 */

const share = z.number().min(0).max(1);
const count = z.number().int().min(0);
const interval = z.tuple([share, share]).describe('95% interval');
const object = z.strictObject;

const finding = object({
  level: z.enum(['info', 'warning']),
  code: z.string(),
  message: z.string(),
  paths: z.array(z.string()).optional(),
});
const error = object({
  code: z.string().describe('Stable name of the error, such as image/truncated'),
  message: z.string(),
  hint: z.string().optional().describe('What to do about it'),
  link: z.url().optional().describe('Address of the page that explains the code'),
  findings: z.array(finding).optional().describe('What was noticed in the data before the error'),
});
const interrupted = object({ epochs: count, of: count })
  .optional()
  .describe('Full epochs of an interrupted training, and the number that was asked for');
const failure = object({ image: z.string(), error: error.omit({ link: true, findings: true }) });
const ranked = { id: z.string(), name: z.string(), probability: share };
const suspects = z.array(
  object({
    image: z.string(),
    label: z.string(),
    predicted: z.string(),
    labelProbability: share,
    predictedProbability: share,
    leftOut: z
      .boolean()
      .describe('Whether the picture is an example, and the probabilities are of a classifier without it'),
  }),
);
const answer = {
  image: z.string(),
  ...ranked,
  calibrated: z.boolean().describe('Whether the probability says how often such an answer is right'),
  rejected: z.boolean().describe('Whether the probability is below the rejection threshold'),
};
const prediction = object({ ...answer, ranking: z.array(object(ranked)).describe('Most probable first') });
const predicted = prediction.extend({
  sigmoid: z
    .literal(true)
    .optional()
    .describe('Each probability is the sigmoid of the class alone; they do not add up to 1 (--sigmoid)'),
  transductive: z
    .string()
    .optional()
    .describe('The transductive method, if the answer depends on the other pictures (--together)'),
  testTime: z
    .string()
    .optional()
    .describe('The test-time method, if the answer depends on the pictures before it (--stream)'),
});
const values = z.record(z.string(), z.unknown());
const classifierSize = { file: z.string(), classes: count, examples: count };
const changed = object({
  ...classifierSize,
  change: object({ classes: z.number().int(), examples: z.number().int() }),
});
const learntPart = {
  partial: z
    .boolean()
    .describe('Whether something could not be read, so that the classifier has learnt from the others'),
  failures: z.array(failure),
};
/** The pictures that the accuracy on labelled pictures does not cover. */
const uncovered = {
  excluded: z
    .array(z.string())
    .describe('Pictures left out because the classifier or its encoder has learnt from them'),
  partial: z
    .boolean()
    .describe('Whether some pictures could not be read, so that the figures cover only the others'),
  failures: z.array(failure),
  findings: z.array(finding),
};
const evaluated = object({ accuracy: share, total: count, interval, ...uncovered }).partial().shape;
const quantised = object({
  pictures: count,
  from: z.enum(['thumbnails', 'data']),
  cosine: z.number(),
  leastCosine: z.number(),
  same: count.describe('Pictures with the same answer'),
  probability: z.number().describe('Largest difference of a probability'),
  accuracy: object({ before: share, after: share }).optional(),
  bytes: object({ before: count, after: count }).describe('Size of the image tower'),
  perClass: z.array(object({ id: z.string(), total: count })).describe('Empty for thumbnails'),
  ...uncovered,
})
  .optional()
  .describe('What 8-bit weights of the encoder change');
const side = object({
  method: z.string(),
  encoder: z.string(),
  protocol: z.string(),
  calibrated: z.boolean(),
  correct: count,
  accuracy: share,
  interval,
  nll: z.number(),
});
const port = object({
  name: z.string(),
  dtype: z.string(),
  shape: z.array(z.union([z.string(), z.number()])),
});
const preprocessing = object({
  resize: z.enum(['shortest', 'longest', 'squash']),
  resizeTo: count,
  crop: count,
  filter: z.enum(['bicubic', 'bilinear']),
  channels: z.enum(['rgb', 'bgr']),
  layout: z.enum(['nchw', 'nhwc']),
  scale: z.number(),
  mean: z.array(z.number()),
  std: z.array(z.number()),
});
const parent = object({
  id: z.string(),
  source: z.string(),
  revision: z.string().optional(),
  fingerprint: z.string(),
}).describe('The encoder that it was made of');
const encoderFacts = {
  languages: z.enum(['English', 'many']).optional().describe('Languages of class names'),
  imagenet: object({ accuracy: z.number(), source: z.string() })
    .optional()
    .describe('Published zero-shot accuracy on ImageNet in percent'),
  milliseconds: z
    .number()
    .optional()
    .describe('Of the image tower for a picture, on two cores of an AMD EPYC'),
};
const address = object({ address: z.url().describe('Address at which it answers') });
const setting = {
  method: z.string(),
  shots: count,
  seed: count,
  protocol: z.string(),
  given: values.optional(),
  balance: z.boolean().optional(),
  rejection: z.boolean().optional(),
};

/** An error on stderr under `--json`. */
export const errorOutput = object({ error });

/** The output of each command under `--json`, by the command's name. */
export const outputSchemas: Readonly<Record<string, z.ZodType>> = {
  demo: object({
    dataset: z.string(),
    pictures: z.string(),
    licence: z.string(),
    encoder: z.string(),
    classes: count,
    train: count,
    test: count,
    seed: count,
    partial: z
      .boolean()
      .describe('Whether something could not be read, so that the figures are about the others'),
    failures: z.array(failure),
    rows: z.array(
      object({
        name: z.string(),
        method: z.string(),
        seconds: z.number(),
        points: z.array(object({ shots: count, correct: count, total: count, accuracy: share, interval })),
      }),
    ),
    classifier: z.string(),
    report: z.string(),
  }),
  embed: z.union([
    object({
      folder: z.string(),
      shards: count.optional().describe('Number of parts that the pictures were encoded in'),
      pictures: count.optional(),
      failures: count
        .optional()
        .describe('Number of pictures that could not be read, as failures.csv lists them'),
      texts: count.optional(),
      before: z.boolean().optional().describe('Whether an earlier run had written all of it'),
      leftOut: count
        .optional()
        .describe(
          'Number of objects of a store that were left out, because they are neither pictures nor archives',
        ),
      encoder: z.string(),
      dimension: count,
      seconds: z.number(),
    }),
    object({
      folder: z.string(),
      run: z.string().describe('Name of the run that is left to the workers (--detach)'),
      before: z.boolean(),
      leftOut: count,
    }),
  ]),
  fit: object({
    ...classifierSize,
    bytes: count,
    seconds: z.number(),
    method: z.string(),
    options: values,
    interrupted,
    encoder: z.string(),
    calibrated: z.boolean(),
    protocol: z.string(),
    seed: count,
    compared: z
      .array(object({ method: z.string(), nll: z.number(), accuracy: share }))
      .optional()
      .describe('Results of methods on the tuning rows, the chosen one first'),
    suspects: suspects.optional().describe('Labels of examples that are probably wrong, with --suspects'),
    findings: z.array(finding),
    ...learntPart,
  }),
  predict: object({ predictions: z.array(predicted), failures: z.array(failure) }),
  eval: object({
    calibrated: z.boolean(),
    judgedClasses: count.optional().describe('Classes of the rows that the probabilities are calibrated on'),
    accuracy: share,
    correct: count,
    total: count,
    interval,
    perClass: z.array(
      object({
        id: z.string(),
        name: z.string(),
        correct: count,
        total: count,
        accuracy: share.nullable(),
        answered: count,
        precision: share.nullable(),
      }),
    ),
    classes: z.array(z.string()),
    confusion: z.array(z.array(count)).describe('Rows are true classes, columns predicted classes'),
    nll: z.number(),
    ece: z.number(),
    brier: z.number(),
    conformal: object({ coverage: share.nullable(), setSize: z.number().nullable() }),
    thresholds: z.array(
      object({
        threshold: share,
        answered: share.describe('Share of the pictures of known classes'),
        accuracy: share.nullable().describe('Share of right answers among the answered pictures'),
        unknownRejected: share.optional().describe('Share of the pictures of unknown classes'),
      }),
    ),
    unknown: object({ pictures: count, auroc: share }).optional(),
    encoder: z.string(),
    method: z.string(),
    protocol: z.string(),
    seed: count,
    ...uncovered,
    suspects,
    leftOutFolds: count
      .optional()
      .describe('Number of folds, if all pictures are examples and the figures are about left-out examples'),
    predictions: z.array(object({ ...answer, label: z.string(), labelName: z.string() })),
    seconds: z.number(),
  }),
  compare: object({
    total: count,
    leftOut: z.array(z.string()),
    first: side,
    second: side,
    difference: z.number(),
    interval: z.tuple([z.number(), z.number()]),
    onlyFirst: count,
    onlySecond: count,
    p: share.describe("Two-sided, of McNemar's exact test"),
    disagreements: z.array(
      object({
        image: z.string(),
        label: z.string(),
        first: z.string(),
        firstProbability: share,
        second: z.string(),
        secondProbability: share,
        right: z.enum(['first', 'second', 'neither']),
      }),
    ),
    partial: z.boolean(),
    unread: z.array(z.string()),
    findings: z.array(finding),
  }),
  explain: object({
    prediction,
    part: z.enum(['cache', 'method']),
    classes: z.array(object({ ...ranked, text: z.number(), examples: z.number(), score: z.number() })),
    contributions: z.array(
      object({
        example: z.string(),
        classId: z.string(),
        className: z.string(),
        similarity: z.number(),
        weight: z.number().optional(),
      }),
    ),
  }),
  studio: address,
  serve: address,
  export: z.union([
    object({
      file: z.string(),
      size: count.optional(),
      difference: z.number().optional().describe('Largest difference of a probability on a trial input'),
      inputs: z.array(port).optional(),
      outputs: z.array(port).optional(),
      opset: count.optional(),
      quantised,
      report: z.string().optional(),
      ...evaluated,
    }),
    object({
      folder: z.string(),
      size: count,
      files: z.array(object({ path: z.string(), bytes: count })),
      difference: z.number().describe('Largest difference of a number of the encoder on trial inputs'),
      quantised,
    }),
  ]),
  push: object({
    place: z.string().describe('The classifier on the hub, with its commit'),
    url: z.url(),
    commit: z.string(),
    isNew: z.boolean().describe('Whether the repository was made'),
    removed: z.array(z.string()).describe('Paths of an earlier push that were removed'),
    files: z.array(object({ path: z.string(), bytes: count })),
    withoutOnnx: z.string().optional().describe('Why there is no ONNX model, if one was wanted'),
    ...evaluated,
    partial: z.boolean().describe('Whether some labelled pictures could not be read'),
  }),
  bench: z.union([
    object({
      suite: z.string().optional(),
      files: z
        .array(z.string())
        .describe('The written files. bench.json has every number with its provenance'),
      missing: z.array(z.string()),
      tables: z.array(
        object({
          title: z.string(),
          how: z.string(),
          numbers: z.array(
            object({
              row: z.string(),
              column: z.string(),
              draws: count,
              planned: count,
              accuracy: share,
              interval,
            }),
          ),
          missing: z.array(z.string()),
          skipped: z.array(
            object({ ...setting, data: z.string(), reason: z.string(), failed: z.literal(true).optional() }),
          ),
        }),
      ),
    }),
    object({
      run: z.string().describe('Name of the run that is left to the workers (--detach)'),
      left: count.describe('Number of fits without a result'),
      fits: count,
      missing: z.array(z.string()).describe('One line for each data set that is missing'),
    }),
  ]),
  worker: object({
    shards: count,
    pictures: count,
    rows: count.describe('Rows of features that were summed up'),
    failures: count.describe('Pictures that could not be read'),
  }),
  jobs: object({
    workers: count.describe('Workers that are connected'),
    runs: z.array(
      object({
        run: z.string(),
        work: z.enum(WORK_KINDS),
        state: z.enum(['running', 'done', 'cancelled', 'set aside']),
        version: z.string().describe('Version of the program that started the run'),
        started: z.iso.datetime(),
        detached: z.boolean().describe('Whether a worker makes the result'),
        total: count.optional().describe('Pictures of all shards, if it is known'),
        shardsDone: count,
        shardsKept: count.describe(
          'Shards done at an earlier start, if their unreadable pictures are not counted yet; 0 when the result is made',
        ),
        shardsLeft: count,
        pictures: count.describe(
          'Pictures of the shards that are done; rows of features if the work is a summary',
        ),
        unreadable: count,
        bytes: count.describe('Bytes of pictures or features that were read'),
        setAside: z.array(object({ name: z.string(), pictures: count.optional(), reason: z.string() })),
      }),
    ),
  }),
  'data show': object({
    name: z.string(),
    root: z.string(),
    layout: z.string().describe('What the classes were read from'),
    pictures: count,
    unlabelled: count.describe('Pictures without a label, which are among the pictures'),
    splits: object({ train: count, val: count, test: count }),
    groups: count.describe('Groups of at least two pictures that belong together'),
    classes: z.array(
      object({ id: z.string(), name: z.string(), pictures: count, train: count, val: count, test: count }),
    ),
    findings: z.array(finding),
    unreadable: z.array(
      object({ path: z.string(), reason: z.string(), split: z.enum(['train', 'val', 'test']).optional() }),
    ),
  }),
  'data check': z.array(
    object({
      id: z.string(),
      title: z.string(),
      path: z.string(),
      state: z.enum(['complete', 'features', 'partial', 'absent']),
      classes: count.optional(),
      splits: object({ train: count.optional(), val: count.optional(), test: count.optional() }),
      problems: z.array(z.string()),
      get: z.array(object({ path: z.string(), from: z.string() })),
    }),
  ),
  add: changed.extend(learntPart),
  remove: changed,
  info: object({
    templates: z.array(z.string()),
    encoder: object({
      id: z.string(),
      fingerprint: z.string(),
      source: z.string(),
      revision: z.string().optional(),
      licence: z.string(),
      dimension: count,
      logitScale: z.number(),
      logitBias: z.number().optional(),
      fineTunedOn: count.optional().describe('Number of pictures that the encoder was fine-tuned on'),
      preprocessing: preprocessing.optional(),
    }),
    keys: object({
      type: z.literal('int8'),
      cosine: z.number(),
      probability: z.number(),
      agreement: z.number(),
    }).optional(),
    method: z.string(),
    options: values,
    interrupted,
    tuning: object({
      temperature: z.number(),
      nll: z.number().optional(),
      protocol: z.string(),
      judges: count,
      folds: count,
      judgedClasses: count.optional().describe('Classes that the tuning rows are of'),
      fineTuned: count
        .optional()
        .describe(
          'Pictures that the encoder was fine-tuned on among those of the tuning rows: scores are too good',
        ),
      tuned: z.array(z.string()).optional(),
      given: z.array(z.string()).optional(),
      compared: z.array(object({ method: z.string(), nll: z.number(), accuracy: share })).optional(),
    }),
    reject: share,
    exif: z.boolean(),
    views: count,
    shots: count.optional(),
    seed: count,
    dataset: z.string(),
    created: z.iso.datetime(),
    createdBy: z.string(),
    version: count,
    classes: z.array(
      object({
        id: z.string(),
        name: z.string(),
        promptName: z.string(),
        prompts: z.array(z.string()),
        examples: count,
      }),
    ),
    examples: z.array(object({ id: z.string(), class: z.string(), sha256: z.string() })),
  }),
  'encoders list': z.array(
    object({
      id: z.string(),
      here: z.boolean(),
      dimension: count,
      megabytes: count,
      licence: z.string(),
      about: z.string(),
      ...encoderFacts,
    }),
  ),
  'encoders pull': object({
    id: z.string(),
    folder: z.string(),
    classifier: z.string().optional().describe('The classifier that came with a bundle'),
  }),
  'encoders show': object({
    id: z.string(),
    about: z.string().optional(),
    dimension: count,
    licence: z.string(),
    source: z.string().optional(),
    fineTuned: object({
      parent,
      method: z.literal('clip-lora'),
      options: z.record(z.string(), z.union([z.number(), z.string()])),
      prompts: z.array(z.string()),
      pictures: z.array(z.string()).describe('Sha256 of each picture that it has learnt from'),
    })
      .optional()
      .describe('How it was fine-tuned'),
    revision: z.string().optional(),
    precision: z.string(),
    ...encoderFacts,
    installed: object({ folder: z.string(), bytes: count, fingerprint: z.string() }).optional(),
    megabytes: count.optional().describe('Size of the download'),
    template: z.string().optional(),
  }),
  'encoders remove': object({ id: z.string(), bytes: count.describe('Bytes that were freed') }),
  'encoders fine-tune': object({
    folder: z.string(),
    fingerprint: z.string(),
    licence: z.string(),
    parent,
    classes: count,
    pictures: count,
    steps: count,
    batch: count,
    seconds: z.number(),
    findings: z.array(finding),
    ...learntPart,
  }),
  'encoders bundle': object({ file: z.string(), bytes: count }),
  doctor: z.array(
    object({
      name: z.string(),
      state: z.enum(['ok', 'note', 'bad']),
      found: z.string(),
      hint: z.string().optional(),
    }),
  ),
  init: object({
    commands: z.array(z.array(z.string())).describe('The words of each command line, in order'),
  }),
  completions: object({ shell: z.string(), script: z.string() }),
  help: object({
    commands: z.array(
      object({
        name: z.string(),
        summary: z.string(),
        args: z.array(z.string()),
        options: z.array(
          object({
            name: z.string(),
            flags: z.string(),
            help: z.string(),
            default: z.unknown().optional(),
            choices: z.array(z.string()).optional(),
          }),
        ),
        examples: z.array(object({ command: z.string(), does: z.string() })),
      }),
    ),
  }),
};

/** The output of `tip-adapter --version` under `--json`. */
export const versionOutput = object({
  version: z.string(),
  node: z.string().optional(),
  onnxruntime: z.string().optional(),
  sharp: z.string().optional(),
  libvips: z.string().optional(),
  encoders: z.array(object({ id: z.string(), fingerprint: z.string() })).optional(),
});
