import type { Abortable } from '../abort.ts';
import { cosineRate } from '../engine/training/schedule.ts';
import type { TrainingState } from '../engine/training/types.ts';
import type { Engine } from '../engine/types.ts';
import { InterruptedError, ModelError, throwIfAborted } from '../errors.ts';
import { toOnnx } from '../graph/onnx.ts';
import type { ImageLoader } from '../image/loader.ts';
import { normalize } from '../image/preprocess.ts';
import type { Shares } from '../image/types.ts';
import { floatTensor, type Tensor } from '../math/tensor.ts';
import type { Checkpoint, FitProgress, IdentityPart } from '../methods/task.ts';
import { shuffled } from '../methods/train.ts';
import { count, number, plural } from '../words.ts';
import { ahead } from './ahead.ts';
import { type FineTuningPlan, fineTuningPlan } from './clip/fine-tuning.ts';
import { changedMaps, type LowRank } from './clip/low-rank.ts';
import { clipSessions, takesLearntWords, withClip } from './clip/sessions.ts';
import { isWeights } from './dual-files.ts';
import { encoderOf } from './encoder-of.ts';
import { checkEmptyFolder, type Written, writeFineTuned } from './fine-tuned-folder.ts';
import { folderFiles } from './folder-files.ts';
import type { LocalEncoder } from './installed.ts';
import type { PairRecord } from './record.ts';
import { lazyTokenizer, tokenizerPlace } from './tower.ts';

/** A picture to learn from, with the number of its class and the sha256 (hex) of its file. */
export interface LabelledPicture {
  readonly label: number;
  readonly sha256: string;
  read(): Promise<Uint8Array>;
}

/** The values of CLIP-LoRA. The pictures of a step are random crops. */
export interface FineTuneValues extends LowRank {
  readonly steps: number;
  readonly batch: number;
  readonly rate: number;
  readonly seed: number;
  readonly exif: boolean;
  /** The template that made the prompts, which becomes the encoder's own. */
  readonly template: string;
}

export interface FineTuneWork extends Abortable {
  readonly engine: Engine;
  readonly loader: ImageLoader;
  readonly checkpoint?: Checkpoint;
  onStep?(progress: FitProgress): void;
}

/** The share of a picture's area that crops have, and the rate that the cosine falls to, in the published code. */
const AREA: Shares = [0.08, 1];
const LEAST_RATE = 1e-6;

/** Milliseconds of training that are lost at most, beside the step in progress, if the process is killed. */
const KEEP_EVERY = 10_000;

/**
 * Fine-tunes a CLIP from weights by CLIP-LoRA (Zanella and Ben Ayed, CVPRW 2024, arXiv 2405.18541), and writes the encoder with merged weights into
 * a new or empty folder. `prompts` has one text for each class. With a checkpoint, an interrupted training continues and ends with the same
 * encoder. Throws `ModelError` for an encoder that cannot be fine-tuned, and `InterruptedError` that says how far it is.
 */
export async function fineTuneEncoder(
  parent: LocalEncoder,
  pictures: readonly LabelledPicture[],
  prompts: readonly string[],
  output: string,
  values: FineTuneValues,
  work: FineTuneWork,
): Promise<Written> {
  const record = trainable(parent);
  await checkEmptyFolder(output);
  const texts = await textsOf(record, parent.folder, prompts, values, work);
  const plan = await withClip(record, parent.folder, async (checkpoint, facts) => {
    if (changedMaps(checkpoint.shapes, values).length === 0) throw noBlocks(record.id, values);
    return fineTuningPlan(checkpoint, facts, texts, values);
  });
  const identity = identityOf(record, pictures, texts, values, plan);
  const { parameters } = await trained(plan, identity, record, pictures, values, work);
  const { rank, alpha, dropout, towers, steps, batch, rate, seed, template } = values;
  const options = { rank, alpha, dropout, towers, steps, batch, rate, seed };
  const hashes = [...new Set(pictures.map(({ sha256 }) => sha256))].sort();
  const before = record.fineTuned?.pictures ?? [];
  const about = {
    method: 'clip-lora' as const,
    options,
    prompts: [...prompts],
    // An encoder that was fine-tuned before still knows those pictures.
    pictures: [...new Set([...before, ...hashes])],
    template,
  };
  return writeFineTuned(parent, parameters, values, about, output);
}

/** Throws `ModelError` unless the encoder is a CLIP from weights. */
export function trainable({ record }: LocalEncoder): PairRecord {
  if (record.kind === 'dual' && isWeights(record.imageModel)) return record;
  throw new ModelError(`The encoder ${record.id} cannot be fine-tuned: it is not a CLIP from weights`, {
    code: 'encoder/from-weights',
    hint: 'Use clip-vit-b32-weights, clip-vit-b16-weights, clip-vit-l14, or a folder with the weights of a CLIP.',
    details: { encoder: record.id },
  });
}

function noBlocks(id: string, { towers }: Pick<LowRank, 'towers'>): ModelError {
  return new ModelError(`The ${towers} tower of ${id} has no transformer blocks that could be changed`, {
    code: 'fine-tune/tower',
    hint: 'Change the text tower (--towers text), or use a CLIP with a vision transformer.',
    details: { encoder: id, towers },
  });
}

/** Tokens of the prompts [c, t], or their embeddings [c, d] if the text tower is not changed. */
async function textsOf(
  record: PairRecord,
  folder: string,
  prompts: readonly string[],
  { towers }: Pick<LowRank, 'towers'>,
  { engine, signal }: FineTuneWork,
): Promise<Tensor> {
  if (towers === 'image') {
    const encoder = await encoderOf(record, folder, engine);
    const { rows, cols, data } = await encoder.embedTexts!([...prompts], { signal }).finally(encoder.close);
    return floatTensor([rows, cols], data);
  }
  const tokenizer = lazyTokenizer(folderFiles(folder), record.text, tokenizerPlace(record));
  const { encode } = await clipSessions(record, folder, engine, tokenizer).tokenizer.get();
  const rows = prompts.map(encode);
  const { length: context, pad } = record.text;
  const shape = await withClip(record, folder, async (_, facts) => facts.shape.text);
  // Nothing after the end of a text has an effect on a tower that looks back only, so the texts are cut there.
  const longest = rows.reduce((most, row) => Math.max(most, row.length), 0);
  const length = takesLearntWords(shape) ? longest : context;
  const ids = rows.flatMap((row) => Array.from({ length }, (_, at) => BigInt(row[at] ?? pad)));
  return { dtype: 'int64', shape: [rows.length, length], data: BigInt64Array.from(ids) };
}

/** Everything that determines the result of a training. */
function* identityOf(
  { fingerprint }: PairRecord,
  pictures: readonly LabelledPicture[],
  texts: Tensor,
  values: FineTuneValues,
  { spec }: FineTuningPlan,
): Generator<IdentityPart> {
  yield toOnnx({ loss: spec.loss });
  yield texts.data;
  const seen = pictures.map(({ sha256, label }) => [sha256, label]);
  yield JSON.stringify({ fingerprint, values, optimiser: spec.optimiser, seen });
}

/** One step's pictures: indices of them, and the epoch, which decides their crops. */
interface Batch {
  readonly step: number;
  readonly epoch: number;
  readonly members: readonly number[];
}

/** The batches from a step on. An epoch has every picture once, in a random order. */
function* batchesFrom(
  start: number,
  pictures: number,
  { steps, batch, seed }: FineTuneValues,
): Generator<Batch> {
  for (let epoch = 0, step = 0; step < steps; epoch++)
    for (const members of shuffled(pictures, Math.min(batch, pictures), seed, epoch)) {
      if (step >= start && step < steps) yield { step, epoch, members };
      step++;
    }
}

/** Takes the steps. Pictures and masks of the next step are prepared while one is taken. */
async function trained(
  { spec, masks }: FineTuningPlan,
  identity: Iterable<IdentityPart>,
  { preprocessing }: PairRecord,
  pictures: readonly LabelledPicture[],
  values: FineTuneValues,
  { engine, loader, checkpoint, signal, onStep }: FineTuneWork,
): Promise<TrainingState> {
  const { steps, seed, exif } = values;
  const kept = await checkpoint?.open(identity);
  const rateAt = cosineRate(values.rate, steps, 0, LEAST_RATE);
  const prepare = async ({ step, epoch, members }: Batch) => {
    const crops = await Promise.all(
      members.map(async (i) => {
        const request = { spec: preprocessing, views: [epoch + 1], seed, exif, area: AREA };
        return (await loader.load(await pictures[i]!.read(), request, { signal }))[0]!;
      }),
    );
    const { crop } = preprocessing;
    const [n, labels] = [members.length, Float32Array.from(members, (i) => pictures[i]!.label)];
    const feeds = {
      pixel_values: floatTensor([n, 3, crop, crop], normalize(crops, preprocessing)),
      labels: floatTensor([n, 1], labels),
      ...masks(n, step),
    };
    return { step, n, feeds };
  };
  let done = kept?.state?.step ?? 0;
  // The trainer gets no signal: a step may take a minute, and an interruption waits for its end, so that it counts.
  const trainer = await engine.train({ ...spec, start: kept?.state });
  try {
    let keptAt = performance.now();
    for await (const { step, n, feeds } of ahead(batchesFrom(done, pictures.length, values), prepare, 1)) {
      throwIfAborted(signal);
      const { loss, observed } = await trainer.step(feeds, rateAt(step));
      done = step + 1;
      onStep?.({ done, total: steps, unit: 'step', loss, accuracy: observed.correct! / n });
      if (!kept || done === steps || performance.now() - keptAt < KEEP_EVERY) continue;
      await kept.save(await trainer.read());
      keptAt = performance.now();
    }
    return await trainer.read();
  } catch (error) {
    if (!(error instanceof InterruptedError) || done === 0) throw error;
    await kept?.save(await trainer.read());
    throw interrupted(steps, done, kept !== undefined);
  } finally {
    await trainer.close();
  }
}

function interrupted(steps: number, done: number, isKept: boolean): InterruptedError {
  return new InterruptedError(
    `Interrupted after ${count(done, 'step')} of ${number(steps)}, which ${plural(done, 'is', 'are')}${isKept ? '' : ' not'} kept`,
    { hint: isKept ? 'To continue, run the same command with --resume.' : 'Run the same command again.' },
  );
}
