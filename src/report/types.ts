/** The data of a report. It is JSON, so that it can be saved beside the HTML and rendered again. Shares and probabilities are 0..1. */
export interface ReportData {
  title: string;
  /** ISO 8601 time. */
  created: string;
  /** The source of the pictures, and their licence. */
  source: { pictures: string; licence: string };
  /** `reason` says why this encoder was used. */
  encoder: { id: string; dimension: number; reason: string; licence: string };
  /** `classes`, `train` and `test` are counts; `findings` are sentences about what was noticed in the data. */
  dataset: { name: string; classes: number; train: number; test: number; findings: string[] };
  /**
   * The pictures that the classifier was tested on: `test` pictures, which it has not learnt from (the default), or its own examples,
   * each classified by a fit from which it and the others of its fold were `left-out`.
   */
  testedOn?: 'test' | 'left-out';
  methods: MethodScore[];
  /** Name of the report's method, to which everything but `methods` and `curves` refers. Default: the last of `methods`. */
  method?: string;
  curves?: Curve[];
  perClass: { name: string; correct: number; total: number }[];
  /** Names in the order of `confusion`'s rows and columns. */
  classes: string[];
  /** Counts [c, c]: rows are true classes, columns predicted ones. */
  confusion: number[][];
  calibration: Calibration;
  /** Pictures to show, wrong answers first. */
  predictions: ReportPrediction[];
  /** Labels that are probably wrong. */
  suspects?: { image?: string; label: string; predicted: string; probability: number }[];
  provenance: { label: string; value: string }[];
  /** The command line that makes this report again. */
  command: string;
}

/** How well one method did; `protocol` says how its hyper-parameters were chosen. */
export interface MethodScore {
  name: string;
  note: string;
  correct: number;
  total: number;
  accuracy: number;
  /** 95% confidence interval of the accuracy. */
  interval: readonly [low: number, high: number];
  /** Seconds for fitting and testing, if they were measured. */
  seconds?: number;
  protocol: string;
}

/** Accuracy of one method against the number of examples per class. */
export interface Curve {
  name: string;
  /** Published numbers of others. They are drawn hollow and dotted, in the style of the curve of the same name without ` (published)`. */
  published?: true;
  points: { shots: number; accuracy: number; low: number; high: number }[];
}

/** Measures of calibration. */
export interface Calibration {
  /** Mean negative log-likelihood, in nats. */
  nll: number;
  /** Expected calibration error, 0..1. */
  ece: number;
  /** Brier score, 0..2. */
  brier?: number;
  /** Split-conformal sets that may miss a tenth of the pictures. */
  conformal?: { coverage: number; setSize: number };
  /** Number of pictures of unknown classes, and the AUROC of separating them from the others by confidence. */
  unknown?: { pictures: number; auroc: number };
  temperature: number;
  /** False if no rows were available to fit the temperature on (default: true). */
  calibrated?: boolean;
  /** `confidence` and `accuracy` are means over the bin's `count` pictures. */
  bins: { low: number; high: number; count: number; confidence: number; accuracy: number }[];
}

/** One classified picture. Images are `data:` URIs of PNG, JPEG, WebP, GIF or AVIF pictures; anything else is not shown. */
export interface ReportPrediction {
  image: string;
  truth?: string;
  predicted: string;
  probability: number;
  /** Most probable first. */
  top: { name: string; probability: number }[];
  /**
   * `cache` (the default): the weight of a neighbour is what it added to its class's score, and `cachePart` is the sum of these.
   * `method`: the weight of a neighbour is its cosine with the picture, and `cachePart` is the method's part of the score.
   */
  part?: 'cache' | 'method';
  /** The examples with the largest weights. */
  neighbours: { image?: string; name: string; weight: number }[];
  /** The predicted class's score: from the class name, and from the examples. */
  textPart?: number;
  cachePart?: number;
}
