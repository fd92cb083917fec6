import { count, number, UNCALIBRATED } from '../words.ts';
import { type Confusion, confusionMatrix, confusions } from './confusion-matrix.ts';
import { picture } from './gallery.ts';
import { type Html, html } from './html.ts';
import { htmlTable } from './html-table.ts';
import { lineChart } from './line-chart.ts';
import { duration, percent, probability, shareTicks } from './numbers.ts';
import { range } from './range.ts';
import { reliabilityDiagram } from './reliability-diagram.ts';
import { wordsFor } from './tested-on.ts';
import type { MethodScore, ReportData } from './types.ts';

const LARGEST_MATRIX = 20;
const PAIRS = 20;
const HARDEST = 20;

/** All methods with their intervals; the method of the report is marked. */
export function methods({ methods: rows }: ReportData, chosen: MethodScore): Html {
  const ticks = shareTicks(
    Math.min(...rows.map(({ interval }) => interval[0])),
    Math.max(...rows.map(({ interval }) => interval[1])),
  );
  const scale = [ticks[0]!, ticks.at(-1)!] as const;
  const ends = scale.map((share) => `${Math.round(100 * share)}%`).join(' to ');
  return html`<section>
<h2>Methods <small>compared on the same pictures</small></h2>
${rows.length > 1 && html`<p class="lede">If two bands overlap widely, the difference may be chance.</p>`}
${htmlTable(
  rows.length > 1
    ? 'The rest of this report is about the method marked with a star.'
    : 'The method of this report',
  {
    columns: [
      {
        title: 'Method',
        value: ({ name }) => name,
        cell: (row: MethodScore) =>
          html`${row.name}${row === chosen && ' ★'}<span class="sub">${row.note}</span>`,
      },
      { title: 'Right', value: (row) => `${number(row.correct)} / ${number(row.total)}`, align: 'right' },
      { title: 'Accuracy', value: (row) => percent(row.accuracy), align: 'right' },
      {
        title: `95% interval, from ${ends}`,
        value: ({ interval }) => interval.map(percent).join(' to '),
        cell: (row) =>
          html`${range({ value: row.accuracy, interval: row.interval, scale })}<span class="sub">${row.interval.map(percent).join(' to ')}</span>`,
      },
      { title: 'Constants chosen by (protocol)', value: ({ protocol }) => protocol },
      ...(rows.some(({ seconds }) => seconds !== undefined) ? [TIME] : []),
    ],
    rows,
  },
)}</section>`;
}

const TIME = {
  title: 'Time',
  value: ({ seconds }: MethodScore) => (seconds === undefined ? '–' : duration(seconds)),
  align: 'right',
} as const;

/** A chart of accuracy against the number of examples, and a table of its numbers. */
export function curves({ curves: data = [], testedOn }: ReportData): Html {
  return html`<section>
<h2>How many examples does it take? <small>accuracy against shots</small></h2>
<figure class="curves">${lineChart(data)}
<figcaption>Share of ${wordsFor({ testedOn }).many} named correctly; thin bars are intervals. A class with fewer examples gives all it has. The vertical axis need not start at 0%.</figcaption></figure>
<details><summary>The numbers of this chart</summary>${htmlTable(
    'Accuracy and interval for each method and number of examples per class',
    {
      columns: [
        { title: 'Method', value: ({ name }) => name },
        { title: 'Examples per class', value: ({ shots }) => shots, align: 'right' },
        { title: 'Accuracy', value: ({ accuracy }) => percent(accuracy), align: 'right' },
        {
          title: 'Interval',
          value: ({ low, high }) => `${percent(low)} to ${percent(high)}`,
          align: 'right',
        },
      ],
      rows: data.flatMap(({ name, points }) => points.map((point) => ({ name, ...point }))),
    },
  )}</details></section>`;
}

/** Accuracy of each class, lowest first. If there are many classes, the rest is collapsed. */
export function perClass({ perClass: classes, testedOn }: ReportData): Html {
  const none = `no ${wordsFor({ testedOn }).one}`;
  const rows = [...classes].sort((a, b) => byRecall(a, b));
  const rest = rows.slice(HARDEST);
  return html`<section>
<h2>Which classes are hard? <small>accuracy per class</small></h2>
${recallTable('Hardest first', rows.slice(0, HARDEST), none)}
${rest.length > 0 && html`<details><summary>${number(rest.length)} more</summary>${recallTable('Hardest first, continued', rest, none)}</details>`}</section>`;
}

function recallTable(caption: string, rows: ReportData['perClass'], none: string): Html {
  return htmlTable(caption, {
    columns: [
      { title: 'Class', value: ({ name }) => name },
      {
        title: 'Right',
        value: ({ correct, total }) => `${number(correct)} / ${number(total)}`,
        align: 'right',
      },
      {
        title: 'Accuracy (recall)',
        value: (row) => (row.total > 0 ? percent(recall(row)) : none),
        cell: (row) =>
          row.total > 0
            ? html`<span class="bar"><i style="--share:${recall(row)}" aria-hidden="true"></i><span>${percent(recall(row))}</span></span>`
            : html`${none}`,
      },
    ],
    rows,
  });
}

function recall({ correct, total }: ReportData['perClass'][number]): number {
  return correct / total;
}

/** Ascending; classes without a test picture come last. */
function byRecall(a: ReportData['perClass'][number], b: ReportData['perClass'][number]): number {
  if (a.total === 0 || b.total === 0) return Number(a.total === 0) - Number(b.total === 0);
  return recall(a) - recall(b);
}

/** The confusion matrix: a heat map for up to 20 classes, else a table of the most frequent mistakes. */
export function confusion({ classes, confusion: matrix, testedOn }: ReportData): Html {
  return html`<section>
<h2>What is taken for what? <small>confusion matrix</small></h2>
${classes.length <= LARGEST_MATRIX ? heatMap(classes, matrix, wordsFor({ testedOn }).many) : mistakes(confusions(classes, matrix))}</section>`;
}

function heatMap(classes: readonly string[], matrix: readonly (readonly number[])[], pictures: string): Html {
  return html`<figure><div class="scroll matrix" tabindex="0" role="region" aria-label="Confusion matrix">${confusionMatrix(classes, matrix)}</div>
<figcaption>Each row holds the ${pictures} of one class. The outlined diagonal counts right answers, and all other cells count mistakes. A stronger shade stands for a larger share of the row.</figcaption></figure>`;
}

function mistakes(pairs: readonly Confusion[]): Html {
  if (pairs.length === 0) return html`<p>There are no mistakes.</p>`;
  const shown = pairs.slice(0, PAIRS);
  return htmlTable(
    shown.length < pairs.length
      ? `The ${number(shown.length)} most frequent of ${count(pairs.length, 'kind')} of mistake`
      : `All ${count(pairs.length, 'kind')} of mistake`,
    {
      columns: [
        { title: 'True class', value: ({ truth }) => truth },
        { title: 'Answer', value: ({ predicted }) => predicted },
        {
          title: 'Pictures',
          value: (pair) => `${number(pair.count)} of ${number(pair.total)}`,
          align: 'right',
        },
      ],
      rows: shown,
    },
  );
}

/** The calibration of probabilities: a reliability diagram and measures. */
export function calibration({ calibration: { bins, ece, nll, temperature, ...rest } }: ReportData): Html {
  const { brier, conformal, unknown, calibrated = true } = rest;
  return html`<section>
<h2>Can its probabilities be believed? <small>calibration</small></h2>
<div class="two"><figure>${reliabilityDiagram(bins)}
<figcaption>On the dashed line, stated probabilities hold. Below it, they are too high; above it, they are too low. Larger bubbles stand for more pictures.</figcaption></figure>
<dl>
<dt>${(100 * ece).toFixed(1)} points off on average</dt><dd>Expected calibration error (ECE): the mean distance of the bubbles from the line, weighted by pictures; 0 is perfect.</dd>
<dt>${nll.toFixed(3)} nats of surprise</dt><dd>Negative log-likelihood (NLL): small for sure and right answers, large for sure and wrong ones.</dd>
${brier !== undefined && html`<dt>Brier score ${brier.toFixed(3)}</dt><dd>Mean square error of all probabilities; 0 is perfect, 2 is the worst.</dd>`}
${conformal && Number.isFinite(conformal.setSize) && html`<dt>${conformal.setSize.toFixed(1)} classes in a 90% set</dt><dd>Average size of a set of classes that holds the right one nine times in ten (split-conformal sets, made with half of the pictures; on the other half they held it in ${percent(conformal.coverage)}).</dd>`}
${unknown && html`<dt>AUROC ${unknown.auroc.toFixed(3)} for unknown classes</dt><dd>How often a picture of a known class gets a surer answer than one of the ${count(unknown.pictures, 'picture')} of unknown classes; 1 is always, 0.5 is chance.</dd>`}
${
  calibrated
    ? html`<dt>Temperature ${temperature.toFixed(2)}</dt><dd>Scores were divided by this number to calibrate the probabilities.</dd>`
    : html`<dt>Not calibrated</dt><dd>${UNCALIBRATED}</dd>`
}
</dl></div></section>`;
}

/** Labels that are probably wrong. */
export function suspects(rows: NonNullable<ReportData['suspects']>): Html {
  return html`<section>
<h2>Labels to look at again <small>suspected label errors</small></h2>
${htmlTable(
  'The classifier gives these pictures another class with a high probability. It may be wrong: look at a picture before you change its label.',
  {
    columns: [
      { title: 'Labelled', value: ({ label }) => label },
      {
        title: 'Picture',
        value: () => '',
        cell: (row) => picture(row.image, `Labelled ${row.label}`, 'photo thumb'),
      },
      { title: 'Looks like', value: ({ predicted }) => predicted },
      { title: 'Probability', value: (row) => probability(row.probability), align: 'right' },
    ],
    rows,
  },
)}</section>`;
}

/** Sources, licences and settings, and the command that makes this report again. */
export function provenance({ source, encoder, dataset, provenance: facts, command }: ReportData): Html {
  const rows = [
    { label: 'Pictures', value: source.pictures },
    { label: 'Licence of the pictures', value: source.licence },
    { label: 'Encoder', value: `${encoder.id}, ${count(encoder.dimension, 'dimension')}` },
    { label: 'Why this encoder', value: encoder.reason },
    { label: 'Licence of the encoder', value: encoder.licence },
    ...facts,
  ];
  return html`<section>
<h2>How this was made <small>provenance</small></h2>
${dataset.findings.length > 0 && html`<h3>Noticed in the data</h3><ul class="findings">${dataset.findings.map((finding) => html`<li>${finding}</li>`)}</ul>`}
${htmlTable('Sources, licences and settings', {
  columns: [
    { title: 'What', value: ({ label }) => label },
    { title: 'Value', value: ({ value }) => value },
  ],
  rows,
})}
<h3>Make this report again</h3>
<pre><code>${command}</code></pre></section>`;
}
