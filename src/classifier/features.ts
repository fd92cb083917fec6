import { giveWay, inTurns } from '../abort.ts';
import {
  dumpClasses,
  type FeatureDump,
  type LabelledRows,
  readFeatureDump,
} from '../dataset/feature-dump.ts';
import { sampleFewShot } from '../dataset/few-shot.ts';
import { quoted } from '../dataset/findings.ts';
import type { ClassInfo, Finding } from '../dataset/types.ts';
import { CLIP_DEFAULTS } from '../encoder/registry.ts';
import type { Encoder } from '../encoder/types.ts';
import { DataError, UsageError } from '../errors.ts';
import { selectRows } from '../math/matrix.ts';
import { plainSupport, selectExamples } from '../methods/task.ts';
import { headFromPrompts } from '../methods/text-head.ts';
import { count, plural } from '../words.ts';
import { type Head, headWith, roundedHead, templatesOf } from './class-texts.ts';
import { featuresOf, featuresReference, referenceTo } from './encoder-reference.ts';
import type { EncoderSession } from './encoder-session.ts';
import { perhapsFineTuned } from './fine-tuned-on.ts';
import type { FitValues } from './fit-options.ts';
import { grown, joinClasses } from './grow.ts';
import type { Prepared } from './learn.ts';
import { type Keys, rounded, roundedInPieces, rowHashes } from './rounding.ts';
import { COUNTED_TWICE, withSummarised } from './summary-changes.ts';
import type { Abortable, ClassifierData } from './types.ts';

/** Defaults for folders of features: those of OpenAI's CLIP, from which most such folders come. */
const LOGIT_SCALE = 100;

/**
 * Reads the examples of a folder of features. With an `encoder`, the classifier takes pictures, and the encoder's text tower replaces a
 * missing text.npy. Without one, the classifier takes features of the same origin. Throws `DataError` if the folder lacks the wanted
 * examples or split, and `UsageError` if the encoder's features have another dimension.
 */
export async function prepareFeatures(
  folder: string,
  values: FitValues,
  encoder: Encoder | undefined,
  { signal }: Abortable,
): Promise<Prepared> {
  const dump = await readFeatureDump(folder, { signal });
  await giveWay(signal);
  const { findings: told, ...named } = await headOfFolder(folder, dump, values, encoder, { signal });
  const { findings, ...drawn } = drawRows(dump, values);
  const { support, described } = await asExamples(drawn, values.keys, { signal });
  const known = {
    ...named,
    support,
    examples: described,
    dataset: dump.name,
    ...{ shots: values.shots, seed: values.seed },
  };
  const exact = values.keys === 'int8' ? drawn.features : undefined;
  return {
    known,
    encoder: encoder ?? { defaults: CLIP_DEFAULTS },
    rows: { exact, validation: validationOf(dump, values.tune) },
    findings: [...findings, ...told],
    unread: [],
  };
}

/**
 * The classes of a folder of features, the reference to its encoder, and the text head: of text.npy or prompts.npy, or else of the
 * `encoder`. Throws `UsageError` if the encoder's features have another dimension, and for options without effect.
 */
export async function headOfFolder(
  folder: string,
  dump: FeatureDump,
  values: FitValues,
  encoder: Encoder | undefined,
  { classes = dumpClasses(dump), signal }: Abortable & { classes?: readonly ClassInfo[] },
): Promise<Pick<Prepared['known'], 'classes' | 'templates' | 'encoder' | 'head'> & { findings: Finding[] }> {
  if (encoder && encoder.dimension !== dump.dimension) {
    throw new UsageError(
      `${folder} holds features with ${count(dump.dimension, 'dimension')}, and ${encoder.id} has ${encoder.dimension}`,
      { code: 'fit/encoder', hint: 'Give --encoder the encoder that made the features, or leave it out.' },
    );
  }
  const hasTexts = dump.text !== undefined || dump.prompts !== undefined;
  const embedder = !hasTexts && encoder?.embedTexts ? encoder : undefined;
  refuseUnused(values, embedder !== undefined);
  const templates = embedder ? templatesOf(values, embedder) : ['{}'];
  const words = embedder && (await roundedHead(embedder, classes, templates, { signal }));
  return {
    classes,
    templates,
    encoder: encoder ? referenceTo(encoder) : featuresReference(dump, LOGIT_SCALE),
    head: words?.head ?? headOf(dump, classes, encoder?.logitScale ?? LOGIT_SCALE),
    findings: [...(encoder ? perhapsFineTuned(referenceTo(encoder)) : []), ...(words?.findings ?? [])],
  };
}

/** Rows of features as examples, each a group of its own. */
async function asExamples({ features, labels }: LabelledRows, keys: Keys, { signal }: Abortable) {
  const half = await inTurns(roundedInPieces(features, 'half'), signal);
  const kept = keys === 'int8' ? await inTurns(roundedInPieces(features, 'int8'), signal) : half;
  const hashes = await inTurns(rowHashes(half), signal);
  const described = hashes.map((sha256, i) => ({ id: `row ${i}`, sha256 }));
  return { support: plainSupport(kept, labels), described };
}

/**
 * The data with further examples from a folder of features, not fitted yet: all rows of its table `train`, or of its largest draw.
 * Throws `ModelError` for features of another encoder, and `DataError` if the classifier has text features and the folder has none for
 * its new classes.
 */
export async function addFeatures(
  data: ClassifierData,
  session: EncoderSession,
  folder: string,
  { signal }: Abortable = {},
): Promise<{ data: ClassifierData; findings: Finding[] }> {
  const dump = featuresOf(data.encoder, await readFeatureDump(folder, { signal }), folder);
  const own = dumpClasses(dump);
  const { classes, places, findings: respelled } = joinClasses(data.classes, own);
  const fresh = [...own.keys()].filter((c) => places[c]! >= data.classes.length);
  const { findings, ...rows } = drawRows(dump);
  if (data.summary) {
    // The reader has checked that the labels are indices of `own`.
    const support = plainSupport(
      rows.features,
      rows.labels.map((label) => places[label]!),
    );
    const grownSums = await withSummarised(data, data.summary, support, classes, signal);
    return { data: grownSums, findings: [...findings, ...respelled, COUNTED_TWICE] };
  }
  const added = classes.slice(data.classes.length);
  const texts = data.head && textsOf(dump, fresh, data.head.logitScale);
  if (data.head && fresh.length > 0 && !texts && !data.encoder.preprocessing) {
    const names = added.map(({ name }) => name);
    throw new DataError(`${folder} has no text features of the new classes ${quoted(names)}`, {
      code: 'add/no-text',
      hint: 'The classifier uses the class names. Put text.npy, with a row for each class, into the folder.',
      details: { folder, classes: names },
    });
  }
  const { head, findings: told } = await headWith(data, added, session, { texts, signal });
  // The reader has checked that the labels are indices of `own`.
  const labels = rows.labels.map((label) => places[label]!);
  const examples = await asExamples({ ...rows, labels }, data.keys?.type ?? 'half', { signal });
  const next = grown(data, { classes, head, ...examples, noun: 'row' });
  return { data: next.data, findings: [...findings, ...respelled, ...next.findings, ...told] };
}

/** The text features of some of the folder's classes, numbered anew. Undefined if the folder has none. */
function textsOf(dump: FeatureDump, some: readonly number[], logitScale: number): Head | undefined {
  const all = headOf(dump, dumpClasses(dump), logitScale);
  if (!all) return undefined;
  const rows = [...all.promptClass.keys()].filter((p) => some.includes(all.promptClass[p]!));
  const features = selectRows(all.promptFeatures, rows);
  const labels = Int32Array.from(rows, (p) => some.indexOf(all.promptClass[p]!));
  const prompts = some.map((c) => all.prompts[c]!);
  return { ...headFromPrompts(features, labels, some.length, logitScale), prompts };
}

/** Throws `UsageError` for options that need pictures, or texts to embed. */
function refuseUnused(
  { views, classes, groupBy, template, prompts, exif, thumbnails, tune }: FitValues,
  embedsText = false,
): void {
  const unused = Object.entries({
    views: views > 1,
    classes: classes !== undefined,
    groupBy: groupBy !== undefined,
    exif: !exif,
    thumbnails: !thumbnails,
    template: !embedsText && template !== undefined,
    // A preset also names the grid of the published search.
    prompts: !embedsText && prompts !== undefined && tune !== 'paper',
  }).flatMap(([name, isUnused]) => (isUnused ? [name] : []));
  if (unused.length === 0) return;
  throw new UsageError(
    `${plural(unused.length, 'Option')} ${unused.join(', ')} ${plural(unused.length, 'has', 'have')} no effect with features`,
    {
      code: 'fit/features-option',
      hint: 'Leave out the options for pictures, or fit pictures.',
    },
  );
}

/** The draw of the wanted size, or a draw by the seed from all rows. */
function drawRows(
  dump: FeatureDump,
  { shots, seed = 1 }: Partial<Pick<FitValues, 'shots' | 'seed'>> = {},
): LabelledRows & { findings: Finding[] } {
  const { draws, train, name } = dump;
  const findings = dump.findings.map(
    (message): Finding => ({ level: 'warning', code: 'fit/features', message, paths: [] }),
  );
  const known = shots === undefined || train ? undefined : draws.get(shots);
  if (known) return { ...known, findings };
  const largest = Math.max(...draws.keys());
  const rows = train ?? (draws.get(largest) as LabelledRows);
  if (shots === undefined) return { ...rows, findings };
  if (shots > largest) {
    throw new DataError(
      `${name} has at most ${count(largest, 'example')} of a class, but ${shots} are asked for`,
      {
        code: 'fit/shots',
        hint: `Give --shots ${largest} or fewer.`,
      },
    );
  }
  const groups = Array.from(rows.labels.keys(), String);
  const chosen = sampleFewShot({ labels: rows.labels, groups }, { shots, seed });
  const { features, labels } = selectExamples(plainSupport(rows.features, rows.labels), chosen);
  const message = `${name} has no draw of ${count(shots, 'example')} per class; ${count(labels.length, 'row')} of the draw of ${largest} ${plural(labels.length, 'is', 'are')} used, chosen by the seed`;
  return {
    features,
    labels,
    findings: train ? findings : [...findings, { level: 'info', code: 'fit/drawn', message, paths: [] }],
  };
}

function validationOf({ val, test, name }: FeatureDump, tune: FitValues['tune']): LabelledRows | undefined {
  if (tune !== 'val' && tune !== 'paper') return undefined;
  const rows = tune === 'val' ? val : test;
  if (rows) return rows;
  const split = tune === 'val' ? 'val' : 'test';
  throw new DataError(`${name} has no features of the split ${split} to tune on`, {
    code: 'fit/no-validation',
    hint: 'Use --tune folds, which needs no other split.',
  });
}

/** The text features of a folder of features. Undefined if it has none. */
function headOf(
  { text, prompts }: FeatureDump,
  classes: readonly ClassInfo[],
  logitScale: number,
): Head | undefined {
  const rows = prompts ?? (text && { features: text, labels: Int32Array.from(classes.keys()) });
  if (!rows) return undefined;
  const own = classes.map(({ name }, c) =>
    Array.from(rows.labels).flatMap((label) => (label === c ? [name] : [])),
  );
  return {
    ...headFromPrompts(rounded(rows.features, 'half'), rows.labels, classes.length, logitScale),
    prompts: own,
  };
}
