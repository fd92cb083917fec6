import { inTurns } from '../abort.ts';
import { dumpClasses, type FeatureDump, readFeatureDump } from '../dataset/feature-dump.ts';
import { quoted } from '../dataset/findings.ts';
import type { Finding } from '../dataset/types.ts';
import { DataError } from '../errors.ts';
import { selectRows } from '../math/matrix.ts';
import { plainSupport } from '../methods/task.ts';
import { headFromPrompts } from '../methods/text-head.ts';
import { featuresOf } from './encoder-reference.ts';
import type { EncoderSession } from './encoder-session.ts';
import { drawRows, headOf } from './fit-features.ts';
import { type Growth, grown, grownHead, joinClasses } from './grow.ts';
import { roundedHead, roundedInPieces, rowHashes } from './support.ts';
import type { ClassifierData, WorkOptions } from './types.ts';

/**
 * The data with the rows of a folder of features as further examples, not fitted yet: all rows of its table `train`, or of its largest
 * draw. Throws `ModelError` for features of another encoder, and `DataError` where new classes lack the texts that the classifier
 * has.
 */
export async function addFeatures(
  data: ClassifierData,
  session: EncoderSession,
  folder: string,
  { signal }: WorkOptions = {},
): Promise<{ data: ClassifierData; findings: Finding[] }> {
  const dump = featuresOf(data.encoder, await readFeatureDump(folder, { signal }), folder);
  const own = dumpClasses(dump);
  const { classes, places } = joinClasses(data.classes, own);
  const fresh = [...own.keys()].filter((c) => places[c]! >= data.classes.length);
  const rows = drawRows(dump);
  const { head, findings } = await headWith(data, session, { dump, folder, fresh }, signal);
  // The labels are places in `own`, as the reader has checked.
  const labels = rows.labels.map((label) => places[label]!);
  const half = await inTurns(roundedInPieces(rows.features, 'half'), signal);
  const kept =
    data.keys?.type === 'int8' ? await inTurns(roundedInPieces(rows.features, 'int8'), signal) : half;
  const hashes = await inTurns(rowHashes(half), signal);
  const growth: Growth = {
    classes,
    head,
    support: plainSupport(kept, labels),
    described: hashes.map((sha256, i) => ({ id: `row ${i}`, sha256 })),
    noun: 'row',
  };
  const next = grown(data, growth);
  return { data: next.data, findings: [...rows.findings, ...next.findings, ...findings] };
}

/** The head with texts of the folder's fresh classes: the folder's own, or those of the classifier's encoder. */
async function headWith(
  { head, encoder, templates }: ClassifierData,
  session: EncoderSession,
  { dump, folder, fresh }: { dump: FeatureDump; folder: string; fresh: readonly number[] },
  signal?: AbortSignal,
): Promise<{ head: ClassifierData['head']; findings: Finding[] }> {
  if (!head || fresh.length === 0) return { head, findings: [] };
  const classes = dumpClasses(dump);
  const added = fresh.map((c) => classes[c]!);
  const texts = headOf(dump, classes, head.logitScale);
  if (texts) {
    const rows = [...texts.promptClass.keys()].filter((p) => fresh.includes(texts.promptClass[p]!));
    const features = selectRows(texts.promptFeatures, rows);
    const labels = Int32Array.from(rows, (p) => fresh.indexOf(texts.promptClass[p]!));
    const prompts = fresh.map((c) => texts.prompts[c]!);
    const more = { ...headFromPrompts(features, labels, fresh.length, head.logitScale), prompts };
    return { head: grownHead(head, more), findings: [] };
  }
  if (!encoder.preprocessing) {
    const names = added.map(({ name }) => name);
    throw new DataError(`${folder} has no text features of the new classes ${quoted(names)}`, {
      code: 'add/no-text',
      hint: 'The classifier uses the class names. Put text.npy, with a row for each class, into the folder.',
      details: { folder, classes: names },
    });
  }
  const { head: more, findings } = await roundedHead(await session.encoder(), added, templates, signal);
  return { head: grownHead(head, more), findings };
}
