import { openFeatureBlocks } from '../dataset/feature-blocks.ts';
import { dumpClasses, type FeatureDump, readFeatureDump } from '../dataset/feature-dump.ts';
import { quoted } from '../dataset/findings.ts';
import { type StoredInfo, storedInfo } from '../dataset/stored-info.ts';
import type { Finding } from '../dataset/types.ts';
import { hasFingerprint } from '../encoder/fingerprints.ts';
import type { Encoder } from '../encoder/types.ts';
import '../engine/node.ts';
import { sharedEngine } from '../engine/shared.ts';
import type { Engine } from '../engine/types.ts';
import { DataError, UsageError } from '../errors.ts';
import { concatRows, matrix } from '../math/matrix.ts';
import { gda } from '../methods/gda.ts';
import { methodById } from '../methods/index.ts';
import { addSums, mergeSummaries } from '../methods/merge-summaries.ts';
import type { Method, State, SummaryForm, SumPass } from '../methods/method.ts';
import type { Samples } from '../methods/samples.ts';
import { checkSummaryNeeds, fitSummary, sumFormOf, summaryFormOf } from '../methods/summarise.ts';
import { summariseWith } from '../methods/summariser.ts';
import { rowCount, rowCounts, type Summary } from '../methods/summary.ts';
import { plainSupport, type Support, type Task } from '../methods/task.ts';
import { type Options, resolveOptions, type ValuesOf } from '../options.ts';
import { tuningRowsOfSplit } from '../tuning/cache-search.ts';
import {
  type Choice,
  comparedOf,
  type Found,
  searchMethod,
  TO_TEMPER,
  UNTUNED,
} from '../tuning/search-method.ts';
import { count } from '../words.ts';
import { originOf, taskOf } from './classifier-task.ts';
import { headOfFolder } from './features.ts';
import type { FitValues } from './fit-options.ts';
import { askedFor, type Wanted } from './given.ts';
import { type FitWatch, unlearnt } from './learn.ts';
import { spaced } from './left-out-rows.ts';
import type { SumRows } from './row-sums.ts';
import { createReading, type Reading } from './summary-reading.ts';
import type { ClassifierData } from './types.ts';

/** The method that `auto` takes: the most accurate one of those that learn from sums of one reading. */
const AUTO = gda.id;
/**
 * The least number of left-out rows that constants and a temperature are chosen on: four of each class on average, or as many as suffice
 * for a single number.
 */
const leastRows = (classes: number) => Math.min(4 * classes, TO_TEMPER.rows);
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
  const { signal } = watch;
  const asked = askedFor(values);
  const method = methodById(asked.id === 'auto' ? AUTO : asked.id);
  const base = resolveOptions(method.options, asked.given);
  const form = summaryFormOf(method, base);
  refuseUnused(values);
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
  const task = { ...taskOf(start, signal), engine: sharedEngine() };
  checkSummaryNeeds(method, task);

  if (stream.rows === 0) throw noRows(folder);
  const origin = originOf(start, method, base);
  const reading = createReading(stream, { folder, origin, seed: values.seed }, { method, task, watch });
  const basis = await reading.basisOf(form, base);
  const { sums, left } = await reading.sums(base, basis);
  if (rowCount(sums) + left.labels.length === 0) throw noRows(folder);
  const rest: Summary = { origin, ...sums };
  const draw = form.sample && (await reading.drawn(form.sample(task)));
  const withDraw = (...parts: (Samples | undefined)[]) =>
    draw ? { ...task, support: supportOf(parts.flatMap((part) => part ?? [])) } : task;
  const learning: Learning = { method, form, task: withDraw(draw), rest, left, reading };
  const { options, choice, known: rests } = await chosen(learning, asked.given, values.tune === 'fixed');
  const measured = await comparison(learning, options);
  const leftSums = (pass?: string, own = basis) =>
    summariseWith(sumFormOf(method, options, pass), left, { task, options, basis: own }, task);
  const summary = mergeSummaries(rest, { origin, ...(await leftSums()) });
  const passAll: SumPass = async (pass, own) =>
    addSums((await reading.sums(options, own, pass)).sums, await leftSums(pass, own));
  const all = { ...learning, task: withDraw(draw, left) };
  const state = {
    ...(await learn(all, summary, { start: rests, options, pass: passAll, isLast: true })),
    ...measured,
  };
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
      ...reading.findings,
      ...summaryFindings(dump, summary, {
        of: stream.rows,
        left: left.labels.length,
        choice,
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

/** What a fit learns from: the sums of the rows that are not left out, and the rows that are. The task has the draw as its support. */
interface Learning {
  readonly method: Method;
  readonly form: SummaryForm;
  readonly task: Task & { readonly engine: Engine };
  readonly rest: Summary;
  readonly left: Samples;
  readonly reading: Reading;
}

function supportOf(parts: readonly Samples[]): Support {
  return plainSupport(
    concatRows(parts.map(({ rows }) => rows)),
    parts.flatMap(({ labels }) => [...labels]),
  );
}

/** The state that is learnt from a summary, from `start` on if it is known. */
function learn(
  { method, task, reading }: Learning,
  summary: Summary,
  {
    start,
    options,
    pass,
    isLast = false,
  }: { start?: State; options: ValuesOf<Options>; pass: SumPass; isLast?: boolean },
): Promise<State> {
  const warn = (message: string) =>
    void reading.findings.push({ level: 'warning', code: 'fit/passes', message });
  return fitSummary(method, summary, { ...task, start }, options, { pass, isLast, warn });
}

/** The pass of these options over the rows that are not left out. */
function passOf({ reading }: Learning, options: ValuesOf<Options>): SumPass {
  return async (pass, basis) => (await reading.sums(options, basis, pass)).sums;
}

/**
 * The options and the temperature that are best on the left-out rows, and the state of all other rows with them if it is `known`. With
 * `isFixed` only the temperature is chosen, and with too few left-out rows nothing is. If the rows have to be read for each state, the
 * options are chosen by the method's own fit on the draw. Options that lower the likelihood or the accuracy of the untuned ones are not taken.
 */
async function chosen(
  learning: Learning,
  given: Readonly<Record<string, unknown>>,
  isFixed: boolean,
): Promise<{ options: ValuesOf<Options>; choice: Choice; known?: State }> {
  const { method, form, task, rest, left } = learning;
  const untuned = resolveOptions(method.options, given);
  const judges = left.labels.length;
  if (judges < leastRows(task.classes) || rowCount(rest) === 0) return { options: untuned, choice: UNTUNED };
  let known: State | undefined;
  const learner: Method = {
    ...method,
    fitSubsets: undefined,
    fit: async (_, options) => {
      known = await learn(learning, rest, { options, pass: passOf(learning, options) });
      return known;
    },
  };
  const set = (support: Support) => ({
    rows: tuningRowsOfSplit(support, left.rows, left.labels),
    ...{ protocol: 'left-out' as const, folds: 0 },
  });
  const search = (own: Method, wanted?: ValuesOf<Options>[]) =>
    searchMethod(task.engine, own, task, set(task.support), wanted, given);
  const resultOf = (found: Found) => comparedOf(method, found, left.labels);
  const best = async (own: Method): Promise<Found> => {
    const found = await search(own);
    if (found.tuned.length === 0) return found;
    const plain = await search(own, [untuned]);
    const [ours, theirs] = [resultOf(found), resultOf(plain)];
    return ours.nll <= theirs.nll && ours.accuracy >= theirs.accuracy ? found : plain;
  };
  const onDraw = form.sample && !isFixed ? await best(method) : undefined;
  const wanted = onDraw ? resolveOptions(method.options, { ...onDraw.options, ...given }) : untuned;
  const found = isFixed || onDraw ? await search(learner, [wanted]) : await best(learner);
  const { tuned, surface } = onDraw ?? found;
  const { temperature, nll } = found;
  const protocol = tuned.length > 0 ? ('left-out' as const) : ('fixed' as const);
  const judgedClasses = new Set(left.labels).size;
  const compared = [resultOf(found)];
  return {
    options: resolveOptions(method.options, { ...found.options, ...given }),
    choice: { temperature, nll, tuned, surface, folds: 0, judges, judgedClasses, protocol, compared },
    ...(form.sample && { known }),
  };
}

/** The entries of the state about the error of the approximation, which is measured on some of the left-out rows. */
async function comparison(learning: Learning, options: ValuesOf<Options>): Promise<State> {
  const { form, task, rest, left } = learning;
  if (left.labels.length === 0) return {};
  if (form.measure) return form.measure(left, task, options);
  if (!form.compare) return {};
  const state = await form.fit(rest, task, options);
  return form.compare(state, spaced(left, COMPARED).rows, task, passOf(learning, options));
}

/** `of` is the number of all rows, `left` the number of rows that were left out first, and `passes` the number of readings. */
function summaryFindings(
  dump: FeatureDump,
  summary: Summary,
  { of, left, choice, passes }: { of: number; left: number; choice: Choice; passes: number },
): Finding[] {
  const rows = rowCount(summary);
  const others =
    rows < of
      ? ` ${count(of - rows, 'row has no label or is', 'rows have no label or are')} of another split, and nothing was learnt from them.`
      : '';
  const counts = rowCounts(summary);
  const absent = dumpClasses(dump).flatMap(({ name }, c) => (counts[c] === 0 ? [name] : []));
  const used =
    choice.judges === 0
      ? `This is too few to tune or calibrate on (at least ${leastRows(counts.length)} are needed), so the options that are not given have their defaults.`
      : choice.tuned?.length
        ? 'Options and temperature were chosen on them.'
        : 'The temperature was chosen on them.';
  const learnt: Finding = {
    level: 'info',
    code: 'fit/summary',
    message: `Learnt from sums over ${count(rows, 'row')}, read ${passes === 1 ? 'once' : count(passes, 'time')}. ${count(left, 'row was', 'rows were')} left out first. ${used} The rows are not part of the classifier.${others}`,
  };
  if (absent.length === 0) return [learnt];
  const have = count(absent.length, 'class has', 'classes have');
  return [
    learnt,
    { level: 'warning', code: 'fit/features', message: `${have} no row: ${quoted(absent)}`, paths: absent },
  ];
}
