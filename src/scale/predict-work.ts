import { z } from 'zod';
import type { Abortable } from '../abort.ts';
import { load } from '../classifier/classifier.ts';
import type { ClassifierFile } from '../classifier/classifier-file.ts';
import type { Prediction } from '../classifier/types.ts';
import { failureSchema } from '../dataset/feature-file.ts';
import { openParquet } from '../dataset/parquet-file.ts';
import { parquetBytes } from '../dataset/parquet-writer.ts';
import { FAILURES_NAME, FILES_NAME } from '../dataset/stored-info.ts';
import type { SourceFile } from '../dataset/tree.ts';
import type { Dataset } from '../dataset/types.ts';
import { DataError, TipAdapterError } from '../errors.ts';
import { DECODING } from '../image/types.ts';
import { checkFile } from '../store/checksum.ts';
import type { ObjectStore, PictureStore } from '../store/object-store.ts';
import { openStore } from '../store/open-store.ts';
import { version } from '../version.ts';
import type { PredictDescription } from './descriptions.ts';
import { refuseOthers, removeOthers } from './embed-work.ts';
import { failuresCsv } from './failures.ts';
import { listSource } from './list-source.ts';
import { type RunResult, shardWork } from './shard-work.ts';
import { storeSource } from './store-source.ts';
import type { Work } from './work.ts';

/** Version of a shard's answers, raised when the same pictures give other ones. */
const FORMAT = 1;

/** The key of the facts in the metadata of a file of answers. */
const KEY = 'tip-adapter';

const factsSchema = z.object({
  version: z.literal(FORMAT),
  pictures: z.number().int().min(0),
  failures: z.array(failureSchema),
});

const infoSchema = z.object({
  format: z.literal('tip-adapter answers'),
  version: z.literal(FORMAT),
  finished: z.boolean(),
  run: z.string(),
  /** Sha256 (hex) of the classifier's file, and the threshold below which an answer is "none of these". */
  classifier: z.string(),
  reject: z.number(),
  /** Whether the probabilities are calibrated. */
  calibrated: z.boolean(),
  pictures: z.number().int(),
  failures: z.number().int(),
  shards: z.number().int(),
  createdBy: z.string(),
});
type AnswerInfo = z.infer<typeof infoSchema>;

/** The pictures, the classifier that answers them, and the target of the answers. */
export interface PredictSettings {
  /** The classifier's file, and where another machine finds it. */
  readonly classifier: ClassifierFile;
  /** A list of pictures, or a store whose pictures are listed when they are needed. */
  readonly source: Dataset | PictureStore;
  readonly output: string;
  /** Rejection threshold in place of the classifier's own. */
  readonly reject?: number;
  readonly description: Omit<PredictDescription, 'kind' | 'classifier' | 'sha256'>;
}

/** Opens the work of answering pictures with a classifier. The answers are Parquet files with the columns image, id, name, probability and rejected. */
export async function openPredict(
  settings: PredictSettings,
  { signal }: Abortable = {},
): Promise<{ work: Work; sha256: string; calibrated: boolean }> {
  const { source, output } = settings;
  const { path, place } = settings.classifier;
  const { sha256 } = await checkFile(path, {}, signal);
  const classifier = await load(path, { signal });
  const reject = settings.reject ?? classifier.data.reject;
  const target = openStore(output);
  const listed = 'examples' in source;
  const unlisted = listed ? (source.unreadable ?? []) : [];
  const work = shardWork({
    description: { kind: 'predict', ...settings.description, classifier: place, sha256 },
    identity: { kind: 'predict', version: FORMAT, decoding: DECODING, classifier: sha256, reject },
    source: listed ? listSource(source.examples, ({ id }) => ({ id })) : storeSource(source),
    target,
    async compute(pictures, { signal, onProgress }) {
      const { predictions, failures } = await classifier.predict(pictures, {
        ...{ reject, signal },
        onProgress: ({ done }) => onProgress?.(done),
      });
      const places = new Map(pictures.map(({ id }, at) => [id, at]));
      const failed = failures.map(({ image, error }) => ({
        at: places.get(image)!,
        id: image,
        code: error instanceof TipAdapterError ? error.code : 'unexpected',
        message: error.message,
      }));
      const facts = { version: FORMAT, pictures: pictures.length, failures: failed };
      const bytes = await parquetBytes(columnsOf(predictions), { [KEY]: JSON.stringify(facts) });
      return { bytes, failures: failures.length };
    },
    factsOf: readFacts,
    result: answerFolder(target, { classifier: sha256, reject, calibrated: classifier.calibrated }, unlisted),
    close: () => classifier.close(),
  });
  return { work, sha256, calibrated: classifier.calibrated };
}

function columnsOf(answers: readonly Prediction[]) {
  const text = (name: 'image' | 'id' | 'name') =>
    ({ name, type: 'text', values: answers.map((one) => one[name]) }) as const;
  return [
    ...[text('image'), text('id'), text('name')],
    { name: 'probability', type: 'double', values: answers.map(({ probability }) => probability) },
    { name: 'rejected', type: 'boolean', values: answers.map(({ rejected }) => rejected) },
  ] as const;
}

async function readFacts(file: SourceFile): Promise<z.infer<typeof factsSchema>> {
  const { metadata } = await openParquet(file);
  try {
    return factsSchema.parse(JSON.parse(metadata.get(KEY) ?? ''));
  } catch (cause) {
    throw new DataError(`${file.path} is not a whole file of answers`, {
      code: 'answers/file',
      hint: 'Remove it and run the same command again, which makes only this file anew.',
      cause,
    });
  }
}

const INFO_NAME = 'info.json';

/** The folder of the answers: Parquet files in the order of files.txt, and the pictures that could not be read. */
function answerFolder(
  target: ObjectStore,
  about: Pick<AnswerInfo, 'classifier' | 'reject' | 'calibrated'>,
  unlisted: NonNullable<Dataset['unreadable']>,
): RunResult {
  const blank: AnswerInfo = {
    ...{ format: 'tip-adapter answers', version: FORMAT, finished: false, run: '', ...about },
    ...{ pictures: 0, failures: 0, shards: 0, createdBy: `tip-adapter ${version}` },
  };
  const put = (key: string, text: string, signal?: AbortSignal) =>
    target.put(key, Buffer.from(text), { signal });
  const textOf = (info: AnswerInfo) => `${JSON.stringify(info, undefined, 2)}\n`;
  const summaryOf = ({ shards, pictures, failures }: AnswerInfo) => ({ shards, pictures, failures });
  return {
    async finished({ signal }) {
      const there = await target.find(INFO_NAME, { signal });
      const info = there && infoIn(await target.read(INFO_NAME, { signal }));
      if (!info) await refuseOthers(target, signal);
      if (!info?.finished) return undefined;
      const list = Buffer.from(await target.read(FILES_NAME, { signal })).toString('utf8');
      return { run: info.run, files: list.split('\n').filter(Boolean), summary: summaryOf(info) };
    },
    async begin({ signal }) {
      await put(INFO_NAME, textOf(blank), signal);
    },
    async write(run, shards, { signal }) {
      await put(FILES_NAME, shards.map(({ key }) => `${key}\n`).join(''), signal);
      const failed = shards.reduce((sum, { failures }) => sum + failures.length, 0) + unlisted.length;
      if (failed > 0) await put(FAILURES_NAME, failuresCsv(shards, unlisted), signal);
      else await target.remove(FAILURES_NAME, { signal });
      await removeOthers(target, shards, signal);
      const pictures = shards.reduce((sum, shard) => sum + shard.pictures, 0) + unlisted.length;
      const info = { ...blank, finished: true, run, pictures, failures: failed, shards: shards.length };
      await put(INFO_NAME, textOf(info), signal);
      return summaryOf(info);
    },
  };
}

function infoIn(bytes: Uint8Array): AnswerInfo | undefined {
  try {
    return infoSchema.parse(JSON.parse(Buffer.from(bytes).toString('utf8')));
  } catch {
    return undefined;
  }
}
