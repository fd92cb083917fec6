import { exampleCount, exampleCounts } from '../classifier/example-counts.ts';
import type { ClassifierData, Evaluation } from '../classifier/types.ts';
import { methodById } from '../methods/index.ts';
import { wilsonInterval } from '../metrics/index.ts';
import { calibrationMark, calibrationText, fineTunedText, tuningRowsText } from '../report/choice.ts';
import { leftOut } from '../report/left-out.ts';
import { percent } from '../report/numbers.ts';
import { markdown, renderMarkdown } from '../report/table.ts';
import type { Choice } from '../tuning/search-method.ts';
import { count, plural, someClasses } from '../words.ts';

/** Largest number of classes that are listed. If there are more, the most important ones are listed. */
const LISTED = 30;
/** Largest number of kinds of mistake that are listed. */
const MISTAKES = 10;

/**
 * A classifier's model card in Markdown: a description, its examples, how its method was chosen and tested, with 95% intervals, and its
 * limits. Without an evaluation, the card has only the scores on left-out examples, and says so.
 */
export function modelCard(data: ClassifierData, evaluation?: Evaluation): string {
  const { classes, encoder, created, createdBy, version } = data;
  const method = methodById(data.method);
  return [
    `# ${markdown(data.dataset)}: a classifier of ${count(classes.length, 'class', 'classes')}`,
    `It assigns each picture to one of its classes. Made on ${markdown(created.slice(0, 10))} by ${markdown(createdBy)}, version ${version} of the file.`,
    '## What it is',
    table(
      ['', ''],
      [
        ['Method', `${method.name} (${method.paper})`],
        ['Constants', constantsOf(data)],
        [
          'Encoder',
          `${encoder.id}, licence ${encoder.licence}${encoder.revision ? `, revision ${encoder.revision}` : ''}${fineTunedText(encoder)}`,
        ],
        ['Encoder from', encoder.source],
        ['Encoder fingerprint', encoder.fingerprint],
        ['Prompts', data.head ? promptsText(data.templates) : 'none: class names are not read'],
        ['Answers "none of these"', data.reject > 0 ? `below ${percent(data.reject)}` : 'never'],
        ['Seed', String(data.seed)],
        ...(data.keys ? [['Examples kept in', keysText(data.keys)]] : []),
      ],
    ),
    '## What it has seen',
    `${count(exampleCount(data), 'example')}${data.shots ? ` (at most ${data.shots} of each class, drawn by the seed)` : ''}, ${spreadText(data)}.`,
    table(['Class', 'Examples'], exampleRows(data)),
    '## How it was chosen',
    choiceText(data),
    ...comparedTable(data),
    '## How good it is',
    ...(evaluation ? measured(evaluation) : [UNMEASURED]),
    '## Limits',
    limits(data, evaluation),
    '',
  ].join('\n\n');
}

/** The prompts' templates. The template `{}` is described in words. */
function promptsText(templates: readonly string[]): string {
  if (templates.length === 1 && templates[0]!.trim() === '{}') return 'the name of the class';
  return templates.slice(0, 3).join(' · ') + (templates.length > 3 ? ' · …' : '');
}

function constantsOf({ options }: ClassifierData): string {
  if (options.parts)
    return Object.entries(options.parts as Record<string, { share: number }>)
      .map(([id, { share }]) => `${id} ${percent(share)}`)
      .join(', ');
  const numbers = Object.entries(options).flatMap(([name, value]) =>
    typeof value === 'number' ? [`${name} ${Number(value.toPrecision(3))}`] : [],
  );
  return numbers.join(', ') || 'none';
}

function keysText({ cosine, probability, agreement }: NonNullable<ClassifierData['keys']>): string {
  return `8 bits a number: cosines are off by at most ${cosine.toPrecision(1)}, probabilities by ${probability.toPrecision(1)}, ${percent(agreement)} of the answers are equal`;
}

function spreadText(data: ClassifierData): string {
  const counts = exampleCounts(data);
  const [least, most] = [counts.reduce((a, b) => Math.min(a, b)), counts.reduce((a, b) => Math.max(a, b))];
  return least === most ? `${least} of each class` : `${least} to ${most} of each class`;
}

function exampleRows(data: ClassifierData): string[][] {
  const counts = exampleCounts(data);
  const rows = data.classes.map(({ name }, c) => ({ name, n: counts[c]! }));
  const shown = rows.length > LISTED ? rows.sort((a, b) => a.n - b.n).slice(0, LISTED) : rows;
  const listed = shown.map(({ name, n }) => [name, String(n)]);
  return rows.length > LISTED
    ? [...listed, [`${count(rows.length - LISTED, 'further class', 'further classes')}, none with fewer`, '']]
    : listed;
}

const FROM_EXAMPLES = (names: readonly string[]) =>
  `Nothing was tuned: ${names.join(' and ')} ${plural(names.length, 'follows', 'follow')} from the examples by a rule of the method.`;

const PROTOCOLS: Readonly<Record<Choice['protocol'], string>> = {
  folds:
    'The method and its constants were chosen on the examples themselves: each example was classified by a fit without it and without its near-duplicates.',
  'left-out':
    'The constants were chosen on rows that were left out first. In the end the classifier was learnt from these rows too.',
  val: 'The method and its constants were chosen on a validation split.',
  fixed: 'Nothing was tuned: constants were given, or are the defaults of the method or the encoder.',
  paper:
    'The constants were chosen on the test split, as the published code does: accuracies on that split are optimistic.',
};

function choiceText(data: ClassifierData): string {
  const { protocol, judges, folds, judgedClasses, fromExamples } = data.tuning;
  const some = someClasses(judgedClasses, data.classes.length);
  const figures =
    judges > 0
      ? ` Accuracy and NLL are of ${count(judges, 'row')}${some}${folds > 0 ? ` in ${count(folds, 'fold')}` : ''}.`
      : '';
  const how = fromExamples ? FROM_EXAMPLES(fromExamples) : PROTOCOLS[protocol];
  return `${how}${figures} ${calibrationText(data)}`;
}

function comparedTable(data: ClassifierData): string[] {
  const { compared = [], judges } = data.tuning;
  if (compared.length === 0) return [];
  const rows = compared.map(({ method, nll, accuracy }) => {
    const [low, high] = wilsonInterval(Math.round(accuracy * judges), judges);
    return [method, `${percent(accuracy)} (${percent(low)} to ${percent(high)})`, nll.toFixed(3)];
  });
  return [table(['Method', `Accuracy on ${tuningRowsText(data)}`, 'NLL'], rows)];
}

const UNMEASURED =
  'It was not measured on pictures that it has not seen. `tip-adapter export <classifier> --to report --data <folder>` measures it.';

function measured(evaluation: Evaluation): string[] {
  const { accuracy, interval, correct, total, nll, ece, brier, unknown, perClass, protocol } = evaluation;
  const { confusion, classes } = evaluation;
  const [low, high] = interval;
  const tested = perClass.filter((one) => one.total > 0).sort((a, b) => a.accuracy - b.accuracy);
  const mistakes = confusion
    .flatMap((row, t) => row.map((n, p) => ({ n, t, p })))
    .filter(({ n, t, p }) => n > 0 && t !== p)
    .sort((a, b) => b.n - a.n);
  const left = leftOut(evaluation);
  const names = new Map(perClass.map(({ id, name }) => [id, name]));
  const nameOf = (c: number) => names.get(classes[c]!) ?? classes[c]!;
  return [
    `On ${count(total, 'picture')} that it had not seen${protocol === 'paper' ? ', but was tuned on' : ''}: **${percent(accuracy)}** right (${correct} of ${total}; 95% interval ${percent(low)} to ${percent(high)}), negative log-likelihood ${nll.toFixed(3)}, calibration error ${percent(ece)}${calibrationMark(evaluation)}, Brier score ${brier.toFixed(3)}.` +
      (unknown
        ? ` ${count(unknown.pictures, 'picture')} of unknown classes ${plural(unknown.pictures, 'is', 'are')} told from the others with an AUROC of ${unknown.auroc.toFixed(3)}.`
        : ''),
    ...(left.length > 0 ? [left.join(' ')] : []),
    ...(tested.length > LISTED
      ? [`The ${LISTED} classes with the lowest accuracy, of ${tested.length}:`]
      : []),
    table(
      ['Class', 'Right', 'Of', '95% interval'],
      tested.slice(0, LISTED).map(({ name, correct: right, total: of }) => {
        const [from, to] = wilsonInterval(right, of);
        return [name, String(right), String(of), `${percent(from)} to ${percent(to)}`];
      }),
    ),
    ...(mistakes.length > 0
      ? [
          mistakes.length > MISTAKES
            ? `The ${MISTAKES} most frequent kinds of mistake, of ${mistakes.length}:`
            : 'Mistakes:',
          table(
            ['Shown', 'Taken for', 'Times'],
            mistakes.slice(0, MISTAKES).map(({ n, t, p }) => [nameOf(t), nameOf(p), String(n)]),
          ),
        ]
      : []),
  ];
}

function limits(data: ClassifierData, evaluation?: Evaluation): string {
  const counts = exampleCounts(data);
  const fewest = counts.reduce((a, b) => Math.min(a, b));
  const points = [
    `It knows ${count(data.classes.length, 'class', 'classes')} and nothing else: ${data.reject > 0 ? 'a picture of anything else is answered with "none of these" only if its probability stays below the threshold' : 'a picture of anything else is still assigned to one of them'}.`,
    fewest < 5
      ? `The smallest class has ${count(fewest, 'example')}; the classifier has not seen what its examples do not show.`
      : undefined,
    'The figures do not hold for pictures taken in another way than the examples (light, camera, background, a drawing instead of a photo).',
    evaluation ? undefined : 'It was not evaluated on any picture outside its examples.',
    evaluation && evaluation.total < 100
      ? 'It was evaluated on few pictures: read the intervals, not the figures alone.'
      : undefined,
    'The encoder was trained on pictures from the web and has their biases. Do not use the classifier to decide about people.',
  ];
  return points.flatMap((point) => (point ? [`- ${point}`] : [])).join('\n');
}

function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const columns = head.map((title, j) => ({ title, value: (row: readonly string[]) => row[j]! }));
  return renderMarkdown({ rows, columns });
}
