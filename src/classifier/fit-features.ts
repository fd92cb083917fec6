import { giveWay, inTurns } from '../abort.ts';
import {
  dumpClasses,
  type FeatureDump,
  type LabelledRows,
  readFeatureDump,
} from '../dataset/feature-dump.ts';
import { sampleFewShot } from '../dataset/few-shot.ts';
import type { ClassInfo, Finding } from '../dataset/types.ts';
import { CLIP_DEFAULTS } from '../encoder/registry.ts';
import type { Encoder } from '../encoder/types.ts';
import { DataError, UsageError } from '../errors.ts';
import { plainSupport, selectExamples } from '../methods/task.ts';
import { headFromPrompts } from '../methods/text-head.ts';
import { count, plural } from '../words.ts';
import { featuresReference, referenceTo } from './encoder-reference.ts';
import type { FitValues } from './fit-options.ts';
import type { Wanted } from './given.ts';
import { type FitWatch, learn } from './learn.ts';
import { rounded, roundedHead, roundedInPieces, rowHashes, templatesOf } from './support.ts';
import type { ClassifierData } from './types.ts';

/** OpenAI's CLIP, whose features such folders hold as a rule. */
const LOGIT_SCALE = 100;

/**
 * A classifier from a folder of features instead of pictures. With an `encoder` it is one for that encoder's pictures, whose text
 * side takes the place of a missing text.npy; without, one for features of the same origin. Throws `DataError` where the folder has not
 * what is asked for, `UsageError` where the encoder's features have another width.
 */
export async function fitFeatures(
  folder: string,
  values: FitValues & Pick<Wanted, 'options'>,
  encoder: Encoder | undefined,
  watch: FitWatch,
): Promise<{ data: ClassifierData; findings: Finding[] }> {
  const dump = await readFeatureDump(folder, { signal: watch.signal });
  await giveWay(watch.signal);
  if (encoder && encoder.dimension !== dump.dimension) {
    throw new UsageError(
      `${folder} holds features with ${count(dump.dimension, 'dimension')}, and ${encoder.id} has ${encoder.dimension}`,
      { code: 'fit/encoder', hint: 'Give --encoder the encoder that made the features, or leave it out.' },
    );
  }
  const hasText = dump.text !== undefined || dump.prompts !== undefined;
  refuseUnused(values, encoder && !hasText);
  const { features, labels, findings } = drawRows(dump, values);
  const classes = dumpClasses(dump);
  const templates = encoder && !hasText ? templatesOf(values, encoder) : ['{}'];
  const words =
    encoder && !hasText ? await roundedHead(encoder, classes, templates, watch.signal) : undefined;
  const half = await inTurns(roundedInPieces(features, 'half'), watch.signal);
  const kept = values.keys === 'int8' ? await inTurns(roundedInPieces(features, 'int8'), watch.signal) : half;
  const hashes = await inTurns(rowHashes(half), watch.signal);
  const known = {
    classes,
    templates,
    encoder: encoder ? referenceTo(encoder) : featuresReference(dump, LOGIT_SCALE),
    head: words?.head ?? headOf(dump, classes, encoder?.logitScale ?? LOGIT_SCALE),
    support: plainSupport(kept, labels),
    examples: hashes.map((sha256, i) => ({ id: `row ${i}`, sha256 })),
    dataset: dump.name,
    ...{ reject: values.reject, shots: values.shots, seed: values.seed },
  };
  const exact = values.keys === 'int8' ? features : undefined;
  const rows = { exact, validation: validationOf(dump, values.tune) };
  const data = await learn(known, values, { defaults: encoder?.defaults ?? CLIP_DEFAULTS }, rows, watch);
  return { data, findings: [...findings, ...(words?.findings ?? [])] };
}

/** Throws `UsageError` for options that only pictures, or texts that are embedded here, can follow. */
function refuseUnused(
  { views, classes, template, prompts, exif, thumbnails, tune }: FitValues,
  embedsText = false,
): void {
  const unused = Object.entries({
    views: views > 1,
    classes: classes !== undefined,
    exif: !exif,
    thumbnails: !thumbnails,
    template: !embedsText && template !== undefined,
    // A preset names the grid of the published search, too.
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

/** The draw of the wanted size, or one by the seed from all rows there are. */
export function drawRows(
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
      `${name} has at most ${count(largest, 'example')} of a class, and ${shots} are asked for`,
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

/** The text side of a folder of features; undefined where it has none. */
export function headOf(
  { text, prompts }: FeatureDump,
  classes: readonly ClassInfo[],
  logitScale: number,
): ClassifierData['head'] {
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
