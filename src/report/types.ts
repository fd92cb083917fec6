/** What a report shows. Plain JSON: it can be saved beside the HTML and rendered again. Shares and probabilities are 0..1. */
export interface ReportData {
  title: string;
  /** ISO 8601 time. */
  created: string;
  /** Where the pictures come from and under which licence. */
  source: { pictures: string; licence: string };
  /** `reason` says why this encoder was used. */
  encoder: { id: string; dimension: number; reason: string; licence: string };
  /** `classes`, `train` and `test` are counts; `findings` are sentences about what was noticed in the data. */
  dataset: { name: string; classes: number; train: number; test: number; findings: string[] };
  /**
   * What it was tested on: `test` pictures, which it has not learnt from (the default), or its own examples, each `left-out` with those of
   * its round while it was asked.
   */
  testedOn?: 'test' | 'left-out';
  methods: MethodScore[];
  /** Name of the method that everything but `methods` and `curves` is about. Default: the last of `methods`. */
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
  /** What it took, where that was measured. */
  seconds?: number;
  protocol: string;
}

/** Accuracy of one method against the number of examples per class. */
export interface Curve {
  name: string;
  /** Others' numbers: drawn hollow and dotted, in the style of the curve of the same name before ` (published)`. */
  published?: true;
  points: { shots: number; accuracy: number; low: number; high: number }[];
}

/** How far probabilities can be believed. */
export interface Calibration {
  /** Mean negative log-likelihood, in nats. */
  nll: number;
  /** Expected calibration error, 0..1. */
  ece: number;
  /** Brier score, 0..2. */
  brier?: number;
  /** Split-conformal sets that may miss a tenth of the pictures. */
  conformal?: { coverage: number; setSize: number };
  /** Pictures of unknown classes, and AUROC of telling them apart. */
  unknown?: { pictures: number; auroc: number };
  temperature: number;
  /** False where the temperature was found on no rows (default: true). */
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
   * `cache` (the default): neighbours have what each added to its class's score, and `cachePart` is the sum of those. `method`: they have
   * their cosine with the picture, and `cachePart` is what the method has learnt.
   */
  part?: 'cache' | 'method';
  /** The examples that counted most, or are most alike. */
  neighbours: { image?: string; name: string; weight: number }[];
  /** The predicted class's score: from the class name, and from the examples. */
  textPart?: number;
  cachePart?: number;
}
