/** Published figures, shown beside our own. In percent, by the name of the column. */
export interface Published {
  /** Source, encoder and tuning rows. */
  readonly source: string;
  readonly rows: readonly PublishedRow[];
}

interface PublishedRow {
  /** Id of the method. */
  readonly method: string;
  readonly values: Readonly<Record<string, number>>;
}

/** Published costs of a fit. */
export interface PublishedCosts {
  readonly source: string;
  readonly rows: readonly PublishedCost[];
}

interface PublishedCost {
  /** Id of the method. */
  readonly method: string;
  readonly accuracy: number;
  readonly trainingMinutes: number;
  /** GPU memory in MiB. Absent if no GPU was needed. */
  readonly memory?: number;
}

const PAPER = 'Tip-Adapter (arXiv 2207.09519), tuned on the reported rows';

/** Rows of values in the order of the columns. */
function published(
  source: string,
  columns: readonly (string | number)[],
  rows: Record<string, number[]>,
): Published {
  return {
    source,
    rows: Object.entries(rows).map(([method, values]) => ({
      method,
      values: Object.fromEntries(values.map((value, i) => [columns[i], value])),
    })),
  };
}

const SHOTS = [1, 2, 4, 8, 16];

export const IMAGENET_SHOTS = published(`${PAPER}; RN50`, SHOTS, {
  'zero-shot': [60.33, 60.33, 60.33, 60.33, 60.33],
  'linear-probe': [22.17, 31.9, 41.2, 49.52, 56.13],
  coop: [57.15, 57.81, 59.99, 61.56, 62.95],
  'clip-adapter': [61.2, 61.52, 61.84, 62.68, 63.59],
  'tip-adapter': [60.7, 60.96, 60.98, 61.45, 62.03],
  'tip-adapter-f': [61.32, 61.69, 62.52, 64.0, 65.51],
});

/** Means over all eleven data sets. */
export const ELEVEN_MEAN = published(
  `${PAPER} and the papers of the others; means over eleven data sets, RN50`,
  SHOTS,
  {
    'zero-shot': [58.89, 58.89, 58.89, 58.89, 58.89],
    'clip-adapter': [62.67, 65.55, 68.61, 71.4, 74.44],
    'tip-adapter': [62.33, 64.62, 66.54, 68.5, 70.32],
    'tip-adapter-f': [64.6, 66.65, 69.67, 72.45, 75.83],
    gda: [62.19, 66.19, 69.77, 73.31, 76.05],
    ape: [65.13, 67.19, 69.47, 71.58, 73.36],
    'ape-t': [67.23, 69.43, 72.25, 74.47, 77.28],
    timo: [66.43, 68.15, 71.2, 73.55, 76.61],
    clap: [62.79, 66.07, 69.13, 72.08, 74.57],
  },
);

/** The same means with another encoder. */
export const ELEVEN_MEAN_B16 = published(
  `${PAPER} and the papers of the others; means over eleven data sets, ViT-B/16`,
  SHOTS,
  {
    'zero-shot': [65.36, 65.36, 65.36, 65.36, 65.36],
    'tip-adapter': [68.89, 70.42, 72.69, 74.41, 76.44],
    'tip-adapter-f': [70.62, 73.08, 75.75, 78.51, 81.15],
    gda: [69.39, 73.09, 76.24, 79.71, 81.7],
    proker: [71.32, 73.74, 76.23, 79.84, 82.01],
  },
);

/** 16 shots of ImageNet. Columns are encoders. */
export const BACKBONES = published(PAPER, ['RN50', 'RN101', 'ViT-B/32', 'ViT-B/16'], {
  'zero-shot': [60.33, 62.53, 63.8, 68.73],
  coop: [62.95, 66.6, 66.85, 71.92],
  'clip-adapter': [63.59, 65.39, 66.19, 71.13],
  'tip-adapter': [62.03, 64.78, 65.61, 70.75],
  'tip-adapter-f': [65.51, 68.56, 68.65, 73.69],
});

/** 16 shots of ImageNet, tested on it and on two other test sets of its classes. */
export const DOMAINS = published(`${PAPER}; RN50`, ['ImageNet', 'ImageNet-V2', 'ImageNet-Sketch'], {
  'zero-shot': [60.33, 53.27, 35.44],
  'linear-probe': [56.13, 45.61, 19.13],
  coop: [62.95, 54.58, 31.04],
  'clip-adapter': [63.59, 55.69, 35.68],
  'tip-adapter': [62.03, 54.6, 35.9],
  'tip-adapter-f': [65.51, 57.11, 36.0],
});

/** 16 shots of ImageNet. */
export const COSTS: PublishedCosts = {
  source: 'of RN50 on an RTX 3090',
  rows: [
    { method: 'zero-shot', accuracy: 60.33, trainingMinutes: 0, memory: 2227 },
    { method: 'linear-probe', accuracy: 56.13, trainingMinutes: 13 },
    { method: 'coop', accuracy: 62.95, trainingMinutes: 880, memory: 7193 },
    { method: 'clip-adapter', accuracy: 63.59, trainingMinutes: 50, memory: 2227 },
    { method: 'tip-adapter', accuracy: 62.03, trainingMinutes: 0, memory: 2227 },
    { method: 'tip-adapter-f', accuracy: 65.51, trainingMinutes: 5, memory: 2227 },
  ],
};

const ABLATION = `${PAPER}; ImageNet, 16 shots, RN50`;

export const ALPHAS = published(ABLATION, [0, 0.5, 1, 2, 3, 4], {
  'tip-adapter': [60.33, 61.44, 62.03, 61.41, 60.36, 59.14],
});

export const BETAS = published(ABLATION, [1.5, 3.5, 5.5, 7.5, 9.5, 11.5], {
  'tip-adapter': [61.82, 61.91, 62.03, 61.76, 61.62, 61.4],
});

export const CACHE_SIZES = published(ABLATION, [0, 1, 2, 4, 8, 16], {
  'tip-adapter': [60.33, 61.45, 61.71, 61.79, 61.83, 62.03],
});

export const MORE_SHOTS = published(ABLATION, [16, 32, 64, 128], {
  'tip-adapter': [62.03, 62.51, 62.88, 63.15],
  'tip-adapter-f': [65.47, 66.58, 67.96, 69.74],
});

export const PROMPTS = published(ABLATION, ['one', 'all'], {
  'zero-shot': [58.24, 60.33],
  'tip-adapter': [60.82, 62.03],
  'tip-adapter-f': [65.03, 65.51],
});

/** Training values and keys together did not converge. */
export const MODULES = published(ABLATION, ['nothing', 'keys', 'values'], {
  'tip-adapter-f': [62.03, 65.51, 60.9],
});
