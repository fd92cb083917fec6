import { openFeatureBlocks } from '../dataset/feature-blocks.ts';
import { dumpClasses, type FeatureDump, readFeatureDump } from '../dataset/feature-dump.ts';
import { quoted } from '../dataset/findings.ts';
import type { FeatureBlock, FeatureStream } from '../dataset/row-blocks.ts';
import { type StoredInfo, storedInfo } from '../dataset/stored-info.ts';
import type { Finding } from '../dataset/types.ts';
import { hasFingerprint } from '../encoder/fingerprints.ts';
import type { Encoder } from '../encoder/types.ts';
import '../engine/node.ts';
import { sharedEngine } from '../engine/shared.ts';
import { DataError, UsageError } from '../errors.ts';
import { withProducts } from '../linalg/matrix-products.ts';
import { matrix } from '../math/matrix.ts';
import { gda } from '../methods/gda.ts';
import { methodById } from '../methods/index.ts';
import { mergeSummaries } from '../methods/merge-summaries.ts';
import type { Method, State, SummaryForm } from '../methods/method.ts';
import type { Samples } from '../methods/samples.ts';
import { checkSummaryNeeds, fitSummary, summaryFormOf } from '../methods/summarise.ts';
import { summariseWith } from '../methods/summariser.ts';
import { rowCount, rowCounts, type Summary, type Sums } from '../methods/summary.ts';
import { plainSupport, type Task } from '../methods/task.ts';
import { resolveOptions } from '../options.ts';
import { tuningRowsOfSplit } from '../tuning/cache-search.ts';
import { type Choice, searchMethod, UNTUNED } from '../tuning/search-method.ts';
import { count } from '../words.ts';
import { originOf, taskOf } from './classifier-task.ts';
import { headOfFolder } from './features.ts';
import type { FitValues } from './fit-options.ts';
import { askedFor, type Wanted } from './given.ts';
import { type FitWatch, unlearnt } from './learn.ts';
import { createDraw, divided, type IsLeftOut, leftOutOf, spaced } from './left-out-rows.ts';
import { checkOneReading, eachBlock, type SummedRows, type SumRows, sumParts } from './row-sums.ts';
import type { ClassifierData } from './types.ts';

/** The method that `auto` takes: the most accurate one of those that learn from sums of one reading. */
const AUTO = gda.id;
/** Largest number of left-out rows that a state is compared with the examples on. */
const COMPARED = 256;

/**
 * A classifier that is learnt from sums over a folder of features. The features are read in blocks, once or, if the method compares rows
 * with others, several times, and are not part of the classifier. Some rows are left out first: options and temperature are chosen on
 * them. They are learnt from in the end. Throws `UsageError` for a method or an option that needs the examples in memory.
 */
export async function fitBySummary(
  folder: string,
  values: FitValues & Pick<Wanted, 'options'>,
  encoder: Encoder | undefined,
  watch: FitWatch & { sumRows?: SumRows },
): Promise<{ data: ClassifierData; findings: Finding[] }> {
  const { signal, sumRows } = watch;
  const asked = askedFor(values);
  const method = methodById(asked.id === 'auto' ? AUTO : asked.id);
  const base = resolveOptions(method.options, asked.given);
  const form = summaryFormOf(method, base);
  refuseUnused(values);
  if (sumRows) checkOneReading(form, method.id);
  const stream = await openFeatureBlocks(folder, { signal });
  const dump = await readFeatureDump(folder, { beside: true, signal });
  const { dimension } = stream;
  if (dump.dimension > 0 && dump.dimension !== dimension) {
    throw new DataError(
      `${folder} has examples of ${count(dimension, 'dimension')}, and the other files have ${dump.dimension}`,
      { code: 'dump/width' },
    );
  }
  const stored = await storedInfo(folder);
  if (stored && encoder && !hasFingerprint(encoder, stored.fingerprint))
    throw otherEncoder(folder, stored, encoder);
  const classes = stored?.names ?? dumpClasses(dump);
  const head = await headOfFolder(folder, { ...dump, dimension }, values, encoder, { classes, signal });
  const support = plainSupport(matrix(0, dimension), []);
  const { findings, ...known } = head;
  const start = unlearnt({
    ...known,
    support,
    examples: [],
    dataset: dump.name,
    seed: values.seed,
    reject: values.reject as number,
  });
  const task: Task = { ...taskOf(start, signal), engine: sharedEngine() };
  checkSummaryNeeds(method, task);

  const reading = createReading(stream, watch);
  if (stream.rows === 0) throw noRows(folder);
  const isLeftOut = leftOutOf(stream.rows, values.seed);
  const basis = await basisOf(form, base, task, reading, isLeftOut);
  const origin = originOf(start, method, base);
  const summing = { form, method: method.id, rows: stream.rows, seed: values.seed };
  const summed: SummedRows = sumRows
    ? await sumRows({ folder, origin, options: base, seed: values.seed }, reading.pass())
    : await sumParts({ ...summing, what: { task, options: base, basis } }, stream.parts, {
        engine: task.engine,
        ...reading.pass(),
      });
  const { sums, left } = summed;
  if (rowCount(sums) + left.labels.length === 0) throw noRows(folder);
  const rest: Summary = { origin, ...sums };
  const { options, choice } = await chosen(method, task, rest, left, asked.given, values.tune === 'fixed');
  const measured = await comparison(form, options, task, rest, left, reading, isLeftOut);
  const others = await summariseWith(form, left, { task, options: base, basis }, task);
  const summary = mergeSummaries(rest, { origin, ...others });
  const state = { ...(await fitSummary(method, summary, task, options)), ...measured };
  const given = Object.keys(asked.given);
  return {
    data: {
      ...start,
      method: method.id,
      options,
      state,
      summary,
      tuning: { ...choice, ...(given.length > 0 && { given }) },
    },
    findings: [
      ...findings,
      ...(summed.findings ?? []),
      ...summaryFindings(dump, summary, {
        of: stream.rows,
        left: left.labels.length,
        passes: reading.passes(),
      }),
    ],
  };
}

function noRows(folder: string): DataError {
  return new DataError(`${folder} has no rows of the split train with a label`, {
    code: 'dump/no-support',
    hint: 'Give the rows a label. A column split must call the split of some rows train, or leave it empty.',
    details: { folder },
  });
}

function otherEncoder(folder: string, { model }: StoredInfo, { id }: Encoder): UsageError {
  return new UsageError(
    `${folder} holds features of ${model}, and the encoder is ${id} or another version of it`,
    {
      code: 'fit/encoder',
      hint: 'Leave out --encoder, or compute the features again with tip-adapter embed.',
      details: { folder, features: model, encoder: id },
    },
  );
}

/** Throws `UsageError` for options that need the examples in memory. */
function refuseUnused({ shots, views, keys, balance, reject, tune, groupBy }: FitValues): void {
  const unused = Object.entries({
    shots: shots !== undefined,
    views: views > 1,
    keys: keys !== 'half',
    groupBy: groupBy !== undefined,
    balance,
    reject: reject === 'auto',
    tune: tune === 'val' || tune === 'paper',
  }).find(([, isGiven]) => isGiven);
  if (unused === undefined) return;
  throw new UsageError(`Option ${unused[0]} cannot have this value together with summary`, {
    code: 'fit/summary-option',
    hint: 'With summary, all rows are learnt from, and options are tuned on rows that are left out first. Leave out the option, or summary.',
    details: { option: unused[0] },
  });
}

/** Reads all rows, as often as it is called, and reports the progress. */
function createReading({ parts, rows }: FeatureStream, { signal, onFit }: FitWatch) {
  let passes = 0;
  const pass = () => {
    passes++;
    return { signal, onRows: (done: number) => onFit?.({ done, total: rows, unit: 'row' }) };
  };
  return {
    passes: () => passes,
    pass,
    each: (use: (block: FeatureBlock) => Promise<void> | void) => eachBlock(parts, pass(), use),
  };
}

type Reading = ReturnType<typeof createReading>;

/** The basis that rows are compared with, such as centres of clusters. It is chosen from a draw of the rows that are not left out. */
async function basisOf(
  form: SummaryForm,
  options: ReturnType<typeof resolveOptions>,
  task: Task,
  reading: Reading,
  isLeftOut: IsLeftOut,
): Promise<Sums['basis']> {
  if (!form.basis) return {};
  const draw = createDraw(task.classes, form.basis.sample(options), task.seed);
  await reading.each((block) => draw.add(divided(block, isLeftOut).rest));
  return form.basis.choose(draw.samples(task.dimension), task, options);
}

/** The options and the temperature that are best on the left-out rows. With `fixed` only the temperature is chosen. */
async function chosen(
  method: Method,
  task: Task,
  rest: Summary,
  left: Samples,
  given: Readonly<Record<string, unknown>>,
  fixed: boolean,
): Promise<{ options: ReturnType<typeof resolveOptions>; choice: Choice }> {
  const untuned = resolveOptions(method.options, given);
  if (left.labels.length === 0 || rowCount(rest) === 0) return { options: untuned, choice: UNTUNED };
  const learner: Method = {
    ...method,
    fitSubsets: undefined,
    fit: (own, options) => fitSummary(method, rest, own, options),
  };
  const rows = tuningRowsOfSplit(task.support, left.rows, left.labels);
  const set = { rows, protocol: 'left-out' as const, folds: 0 };
  const wanted = fixed ? [untuned] : undefined;
  const found = await searchMethod(sharedEngine(), learner, task, set, wanted, given);
  const { temperature, nll, tuned, surface } = found;
  const protocol = tuned.length > 0 ? set.protocol : 'fixed';
  return {
    options: resolveOptions(method.options, { ...found.options, ...given }),
    choice: { temperature, nll, tuned, surface, folds: 0, judges: left.labels.length, protocol },
  };
}

/** The entries of the state about the error of the approximation, which is measured on some of the left-out rows. */
async function comparison(
  form: SummaryForm,
  options: ReturnType<typeof resolveOptions>,
  task: Task,
  rest: Summary,
  left: Samples,
  reading: Reading,
  isLeftOut: IsLeftOut,
): Promise<State> {
  if (left.labels.length === 0) return {};
  if (form.measure) return form.measure(left, task, options);
  if (!form.compare) return {};
  const state = await form.fit(rest, task, options);
  const queries = spaced(left, COMPARED).rows;
  return withProducts(
    task.engine,
    async (products) => {
      const compared = form.compare!(state, queries, task, products);
      await reading.each((block) => compared.add(divided(block, isLeftOut).rest));
      return compared.result();
    },
    task.signal,
  );
}

/** `of` is the number of all rows, `left` the number of rows that were left out first, and `passes` the number of readings. */
function summaryFindings(
  dump: FeatureDump,
  summary: Summary,
  { of, left, passes }: { of: number; left: number; passes: number },
): Finding[] {
  const rows = rowCount(summary);
  const others =
    rows < of
      ? ` ${count(of - rows, 'row has no label or is', 'rows have no label or are')} of another split, and nothing was learnt from them.`
      : '';
  const counts = rowCounts(summary);
  const absent = dumpClasses(dump).flatMap(({ name }, c) => (counts[c] === 0 ? [name] : []));
  const learnt: Finding = {
    level: 'info',
    code: 'fit/summary',
    message: `Learnt from sums over ${count(rows, 'row')}, read ${passes === 1 ? 'once' : count(passes, 'time')}. ${count(left, 'row was', 'rows were')} left out first, to choose what is tuned. The rows are not part of the classifier.${others}`,
  };
  if (absent.length === 0) return [learnt];
  const have = count(absent.length, 'class has', 'classes have');
  return [
    learnt,
    { level: 'warning', code: 'fit/features', message: `${have} no row: ${quoted(absent)}`, paths: absent },
  ];
}
