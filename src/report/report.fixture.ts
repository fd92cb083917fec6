import type { ReportData, ReportPrediction } from './types.ts';

/** A one-pixel picture. */
export const PIXEL = 'data:image/gif;base64,R0lGODlhAQABAIAAAAAAAP///yH5BAEAAAAALAAAAAABAAEAAAIBRAA7';

const CLASSES = [
  'beaver',
  'butterfly',
  'camera',
  'chair',
  'crab',
  'dolphin',
  'ferry',
  'lamp',
  'laptop',
  'sunflower',
];
const CONFUSION = [
  [13, 0, 0, 0, 1, 2, 0, 0, 0, 0],
  [0, 16, 0, 0, 0, 0, 0, 0, 0, 0],
  [0, 0, 15, 0, 0, 0, 0, 0, 1, 0],
  [0, 0, 0, 14, 0, 0, 0, 2, 0, 0],
  [1, 0, 0, 0, 14, 1, 0, 0, 0, 0],
  [0, 0, 0, 0, 0, 16, 0, 0, 0, 0],
  [0, 0, 0, 0, 0, 0, 16, 0, 0, 0],
  [0, 0, 0, 3, 0, 0, 0, 13, 0, 0],
  [0, 0, 1, 0, 0, 0, 0, 0, 15, 0],
  [0, 0, 0, 0, 0, 0, 0, 0, 0, 16],
];
const SHOTS = [1, 2, 4, 8, 16];

/** A report as a first run makes it: ten classes of everyday things, 16 test pictures each. */
export function exampleReport(changes: Partial<ReportData> = {}): ReportData {
  return {
    title: 'Ten everyday things, from four pictures each',
    created: '2025-03-14T09:26:53Z',
    source: { pictures: 'Caltech-101, ten of its classes', licence: 'CC BY 4.0' },
    encoder: {
      id: 'resnet50-minilm',
      dimension: 384,
      reason: 'No CLIP is on this computer, so the built-in encoder is used.',
      licence: 'Apache-2.0',
    },
    dataset: {
      name: 'Caltech-101, 10 classes',
      classes: 10,
      train: 40,
      test: 160,
      findings: [
        'Two training pictures of “chair” are near-duplicates and were kept together.',
        'One file could not be read.',
      ],
    },
    methods: [
      score('Zero-shot', 'class names only', 'nothing to choose', 101, 0.004),
      score('Visual-only cache', 'examples only', 'leave-one-shot-out', 139, 0.031),
      score('Tip-Adapter, paper settings', 'α = 1, β = 5.5', 'fixed', 143, 0.028),
      score('Tip-Adapter, tuned', 'α = 2.4, β = 7.1', 'leave-one-shot-out, no test picture seen', 148, 1.9),
    ],
    curves: [
      curve('Zero-shot', [0.631, 0.631, 0.631, 0.631, 0.631]),
      curve('Visual-only cache', [0.61, 0.745, 0.869, 0.901, 0.921]),
      curve('Tip-Adapter, paper settings', [0.702, 0.8, 0.894, 0.91, 0.918]),
      curve('Tip-Adapter, tuned', [0.741, 0.83, 0.925, 0.944, 0.957]),
    ],
    perClass: CLASSES.map((name, i) => ({ name, correct: CONFUSION[i]![i]!, total: 16 })),
    classes: CLASSES,
    confusion: CONFUSION,
    calibration: {
      nll: 0.284,
      ece: 0.031,
      temperature: 1.38,
      bins: [
        { low: 0, high: 0.2, count: 0, confidence: 0, accuracy: 0 },
        { low: 0.2, high: 0.4, count: 6, confidence: 0.34, accuracy: 0.33 },
        { low: 0.4, high: 0.6, count: 15, confidence: 0.52, accuracy: 0.6 },
        { low: 0.6, high: 0.8, count: 28, confidence: 0.71, accuracy: 0.79 },
        { low: 0.8, high: 1, count: 111, confidence: 0.95, accuracy: 0.97 },
      ],
    },
    predictions: [
      prediction('lamp', 'chair', 0.52),
      prediction('beaver', 'dolphin', 0.46),
      prediction('crab', 'beaver', 0.61),
      prediction('sunflower', 'sunflower', 0.998),
      prediction('ferry', 'ferry', 0.97),
      prediction('laptop', 'laptop', 0.83),
    ],
    suspects: [
      { image: PIXEL, label: 'lamp', predicted: 'chair', probability: 0.93 },
      { label: 'crab', predicted: 'beaver', probability: 0.88 },
    ],
    provenance: [
      { label: 'Version', value: 'tip-adapter 0.1.0' },
      { label: 'Seed', value: '1' },
    ],
    command: 'npx tip-adapter fit photos/ -o things.safetensors --shots 4 --seed 1 --report report.html',
    ...changes,
  };
}

function score(
  name: string,
  note: string,
  protocol: string,
  correct: number,
  seconds: number,
): ReportData['methods'][number] {
  const accuracy = correct / 160;
  return {
    name,
    note,
    protocol,
    correct,
    total: 160,
    accuracy,
    interval: [accuracy - 0.05, accuracy + 0.03],
    seconds,
  };
}

function curve(name: string, accuracies: number[]): NonNullable<ReportData['curves']>[number] {
  const points = accuracies.map((accuracy, i) => {
    const half = name === 'Zero-shot' ? 0 : 0.05 / (1 + i);
    return { shots: SHOTS[i]!, accuracy, low: accuracy - half, high: accuracy + half / 2 };
  });
  return { name, points };
}

function prediction(truth: string, predicted: string, probability: number): ReportPrediction {
  const [second = '', third = ''] = [truth, ...CLASSES].filter(
    (name, i, names) => name !== predicted && names.indexOf(name) === i,
  );
  return {
    image: PIXEL,
    truth,
    predicted,
    probability,
    top: [predicted, second, third].map((name, i) => ({
      name,
      probability: [probability, (1 - probability) * 0.7, (1 - probability) * 0.2][i]!,
    })),
    neighbours: [predicted, predicted, second, predicted].map((name, i) => ({
      image: PIXEL,
      name,
      weight: 0.82 - i * 0.17,
    })),
    textPart: 3.1,
    cachePart: 2.46,
  };
}
