import type { ClassifierData, Evaluation } from '../classifier/types.ts';
import { methodById } from '../methods/index.ts';
import { wilsonInterval } from '../metrics/index.ts';
import { percent } from '../report/numbers.ts';
import type { Choice } from '../tuning/search-method.ts';
import { count, number } from '../words.ts';

/** Classes that are listed; of more, the ones that matter most. */
const LISTED = 30;

/**
 * A classifier's model card, in Markdown: what it is, from which examples, how it was chosen and judged, with 95% intervals, and
 * where its limits are. Without an evaluation it has the left-out examples' word only, and says so.
 */
export function modelCard(data: ClassifierData, evaluation?: Evaluation): string {
  const { classes, examples, encoder, created, createdBy, version } = data;
  const method = methodById(data.method);
  return [
    `# ${inline(data.dataset)}: a classifier of ${classes.length} classes`,
    `Says which of ${classes.length} classes a picture shows. Made on ${created.slice(0, 10)} by ${createdBy}, version ${version} of the file.`,
    '## What it is',
    table(
      ['', ''],
      [
        ['Method', `${method.name} (${method.paper})`],
        ['Constants', inline(constantsOf(data))],
        [
          'Encoder',
          inline(
            `${encoder.id}, ${encoder.licence}${encoder.revision ? `, revision ${encoder.revision}` : ''}`,
          ),
        ],
        ['Encoder from', inline(encoder.source)],
        ['Encoder fingerprint', `\`${encoder.fingerprint}\``],
        [
          'Prompts',
          inline(data.templates.slice(0, 3).join(' · ') + (data.templates.length > 3 ? ' · …' : '')),
        ],
        ['Answers "none of these"', data.reject > 0 ? `below ${percent(data.reject)}` : 'never'],
        ['Seed', String(data.seed)],
        ...(data.keys ? [['Examples kept in', keysText(data.keys)]] : []),
      ],
    ),
    '## What it has seen',
    `${count(examples.length, 'example')}${data.shots ? ` (at most ${data.shots} of a class, drawn by the seed)` : ''}, ${spreadText(data)}.`,
    table(['Class', 'Examples'], exampleRows(data)),
    '## How it was chosen',
    choiceText(data.tuning),
    ...comparedTable(data.tuning),
    '## How good it is',
    ...(evaluation ? measured(evaluation) : [UNMEASURED]),
    '## Limits',
    limits(data, evaluation),
    '',
  ].join('\n\n');
}

function constantsOf({ options }: ClassifierData): string {
  const numbers = Object.entries(options).filter(([, value]) => typeof value === 'number');
  if (options.parts)
    return Object.entries(options.parts as Record<string, { share: number }>)
      .map(([id, { share }]) => `${id} ${percent(share)}`)
      .join(', ');
  return (
    numbers.map(([name, value]) => `${name} ${Number((value as number).toPrecision(3))}`).join(', ') || 'none'
  );
}

function keysText({ cosine, probability, agreement }: NonNullable<ClassifierData['keys']>): string {
  return `8 bits a number: cosines off by at most ${cosine.toPrecision(1)}, probabilities by ${probability.toPrecision(1)}, ${percent(agreement)} of answers equal`;
}

function countsOf({ classes, support }: ClassifierData): number[] {
  const counts = classes.map(() => 0);
  for (const label of support.labels) counts[label]++;
  return counts;
}

function spreadText(data: ClassifierData): string {
  const counts = countsOf(data);
  const [least, most] = [counts.reduce((a, b) => Math.min(a, b)), counts.reduce((a, b) => Math.max(a, b))];
  return least === most ? `${least} of each class` : `${least} to ${most} of a class`;
}

function exampleRows(data: ClassifierData): string[][] {
  const counts = countsOf(data);
  const rows = data.classes.map(({ name }, c) => ({ name, n: counts[c] }));
  const shown = rows.length > LISTED ? rows.sort((a, b) => a.n - b.n).slice(0, LISTED) : rows;
  const listed = shown.map(({ name, n }) => [inline(name), String(n)]);
  return rows.length > LISTED ? [...listed, [`… ${rows.length - LISTED} more, with no fewer`, '']] : listed;
}

const PROTOCOLS: Readonly<Record<Choice['protocol'], string>> = {
  folds:
    'The method and its constants were chosen on the examples themselves: each was asked while it, and those like it, were left out.',
  val: 'The method and its constants were chosen on a validation split.',
  fixed: 'Nothing was tuned: the method has its published constants.',
  paper:
    'The constants were chosen on the test split, as the published code does: accuracies on that split are optimistic.',
};

function choiceText({ protocol, judges, folds, temperature }: Choice): string {
  const judged = judges > 0 ? ` ${number(judges)} rows judged${folds > 0 ? `, in ${folds} folds` : ''}.` : '';
  return `${PROTOCOLS[protocol]}${judged} Probabilities are calibrated by a temperature of ${Number(temperature.toPrecision(3))}.`;
}

function comparedTable({ compared = [], judges }: Choice): string[] {
  if (compared.length === 0) return [];
  const rows = compared.map(({ method, nll, accuracy }) => {
    const [low, high] = wilsonInterval(Math.round(accuracy * judges), judges);
    return [method, `${percent(accuracy)} (${percent(low)} to ${percent(high)})`, nll.toFixed(3)];
  });
  return [table(['Method', 'Accuracy on left-out examples', 'NLL'], rows)];
}

const UNMEASURED =
  'Not measured on pictures that it has not seen. `tip-adapter export … --to report --data <folder>` measures it.';

function measured({
  accuracy,
  interval,
  correct,
  total,
  nll,
  ece,
  brier,
  unknown,
  perClass,
  excluded,
  failures,
  protocol,
  confusion,
  classes,
}: Evaluation): string[] {
  const [low, high] = interval;
  const worst = perClass
    .filter((one) => one.total > 0)
    .sort((a, b) => a.accuracy - b.accuracy)
    .slice(0, LISTED);
  const mistakes = confusion
    .flatMap((row, t) => row.map((n, p) => ({ n, t, p })))
    .filter(({ n, t, p }) => n > 0 && t !== p)
    .sort((a, b) => b.n - a.n)
    .slice(0, 10);
  const names = new Map(perClass.map(({ id, name }) => [id, name]));
  const nameOf = (c: number) => inline(names.get(classes[c]) ?? classes[c]);
  return [
    `On ${number(total)} pictures that it had not seen${protocol === 'paper' ? ', but was tuned on' : ''}: **${percent(accuracy)}** right (${correct} of ${total}; 95% interval ${percent(low)} to ${percent(high)}), negative log-likelihood ${nll.toFixed(3)}, calibration error ${percent(ece)}, Brier score ${brier.toFixed(3)}.` +
      (excluded.length > 0 ? ` ${excluded.length} pictures were left out: they are examples.` : '') +
      (failures.length > 0 ? ` ${failures.length} could not be read.` : '') +
      (unknown
        ? ` ${unknown.pictures} pictures of unknown classes are told apart with an AUROC of ${unknown.auroc.toFixed(3)}.`
        : ''),
    table(
      ['Class', 'Right', 'Of', '95% interval'],
      worst.map(({ name, correct: right, total: of }) => {
        const [from, to] = wilsonInterval(right, of);
        return [inline(name), String(right), String(of), `${percent(from)} to ${percent(to)}`];
      }),
    ),
    ...(mistakes.length > 0
      ? [
          'Most frequent mistakes:',
          table(
            ['Shown', 'Taken for', 'Times'],
            mistakes.map(({ n, t, p }) => [nameOf(t), nameOf(p), String(n)]),
          ),
        ]
      : []),
  ];
}

function limits(data: ClassifierData, evaluation?: Evaluation): string {
  const counts = countsOf(data);
  const fewest = counts.reduce((a, b) => Math.min(a, b));
  const points = [
    `It knows ${data.classes.length} classes and nothing else: ${data.reject > 0 ? 'what is unlike all of them is called "none of these" only as far as the threshold finds it' : 'everything it is shown is called one of them'}.`,
    fewest < 5
      ? `A class has as few as ${count(fewest, 'example')}: what these do not show, it has not seen.`
      : undefined,
    'Pictures taken in another way than the examples (light, camera, background, drawing instead of photo) are answered less well than the figures say.',
    evaluation ? undefined : 'No picture outside the examples has judged it.',
    evaluation && evaluation.total < 100
      ? 'Few pictures judged it: look at the intervals, not at the figures.'
      : undefined,
    'The encoder was trained on pictures from the web and has their biases. Do not use it to decide about people.',
  ];
  return points.flatMap((point) => (point ? [`- ${point}`] : [])).join('\n');
}

function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const line = (cells: readonly string[]) => `| ${cells.join(' | ')} |`;
  return [line(head), line(head.map(() => '---')), ...rows.map(line)].join('\n');
}

/** Text from data as one line of Markdown that says just that. */
function inline(text: string): string {
  return text.replace(/\s+/g, ' ').replace(/[\\`*_{}[\]<>#|~]/g, '\\$&');
}
