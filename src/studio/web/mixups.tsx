import { computed, signal } from '@preact/signals';
import { useState } from 'preact/hooks';
import { type CheckReport, thumbnailUrl } from './api.ts';
import { LabelReview } from './label-review.tsx';
import { Listed } from './lists.tsx';
import { messages, percent } from './messages.ts';
import { Seeable } from './preview.tsx';
import { board, check } from './store.ts';
import type { Answer } from './trouble.ts';

/** Answers of one cell of the confusion matrix: pictures of one class taken for one class. */
interface Cell {
  readonly key: string;
  readonly label: number;
  readonly predicted: number;
  readonly answers: readonly Answer[];
}

const keyOf = (label: number, predicted: number) => `${label}-${predicted}`;

/** The check's answers by cell, for pictures that are still in the same class, in order of decreasing confidence of mistakes. */
const cells = computed<ReadonlyMap<string, Cell>>(() => {
  const report = check.value;
  const found = new Map<string, Cell & { answers: Answer[] }>();
  if (!report) return found;
  const { pictures } = board.value;
  const surest = report.answers.toSorted((a, b) => b.probability - a.probability);
  for (const answer of surest) {
    const { hash, label, predicted } = answer;
    if (pictures.get(hash)?.classId !== report.classes[label]!.id) continue;
    const key = keyOf(label, predicted);
    const cell = found.get(key) ?? { key, label, predicted, answers: [] };
    cell.answers.push(answer);
    found.set(key, cell);
  }
  return found;
});

const mistakes = computed(() =>
  [...cells.value.values()]
    .filter(({ label, predicted }) => label !== predicted)
    .sort((a, b) => b.answers.length - a.answers.length),
);

/** Key of the cell whose pictures are shown. */
const opened = signal<string | undefined>(undefined);

const FIRST_LISTED = 8;

/** Confused classes, as a matrix and as a list with the most frequent first. A cell or entry opens its pictures. */
export function Mixups({ report }: { report: CheckReport }) {
  const m = messages.value.check;
  const [limit, setLimit] = useState(FIRST_LISTED);
  const listed = mistakes.value.slice(0, limit);
  const rest = mistakes.value.length - listed.length;
  const chosen = cells.value.get(opened.value ?? '');
  const shown = chosen && !listed.includes(chosen) ? [...listed, chosen] : listed;
  return (
    <div class="part" id="mixups">
      <h3>{m.mixups}</h3>
      {mistakes.value.length === 0 && <p class="muted">{m.none}</p>}
      <Matrix report={report} />
      {shown.map((cell) => (
        <CellPictures key={cell.key} cell={cell} report={report} />
      ))}
      {rest > 0 && (
        <button type="button" class="quiet" onClick={() => setLimit(limit + FIRST_LISTED)}>
          {messages.value.more(Math.min(rest, FIRST_LISTED), rest)}
        </button>
      )}
    </div>
  );
}

/** Largest number of classes in the matrix. If there are more, it has those that are confused most. */
const MOST_CLASSES = 12;

/** The classes of the matrix in order: all, or those that are confused most. */
function classesShown(report: CheckReport): number[] {
  const all = [...report.classes.keys()];
  if (all.length <= MOST_CLASSES) return all;
  const wrong = all.map(() => 0);
  for (const { label, predicted, answers } of mistakes.value) {
    wrong[label]! += answers.length;
    wrong[predicted]! += answers.length;
  }
  const most = all.filter((c) => wrong[c]! > 0).sort((a, b) => wrong[b]! - wrong[a]!);
  return most.slice(0, MOST_CLASSES).sort((a, b) => a - b);
}

/** The matrix. Rows are labels, columns are answers. */
function Matrix({ report }: { report: CheckReport }) {
  const m = messages.value.check;
  const shown = classesShown(report);
  if (shown.length < 2) return null;
  const name = (c: number) => report.classes[c]!.name;
  return (
    <>
      <table class="matrix" aria-describedby="matrix-text">
        <thead>
          <tr>
            <td />
            {shown.map((c) => (
              <th key={c} scope="col" title={name(c)}>
                <span>{name(c)}</span>
              </th>
            ))}
          </tr>
        </thead>
        <tbody>
          {shown.map((label) => (
            <tr key={label}>
              <th scope="row" title={name(label)}>
                {name(label)}
              </th>
              {shown.map((predicted) => (
                <td key={predicted}>
                  <CellButton report={report} label={label} predicted={predicted} />
                </td>
              ))}
            </tr>
          ))}
        </tbody>
      </table>
      <p class="muted small" id="matrix-text">
        {m.matrix}
        {shown.length < report.classes.length && ` ${m.matrixPart(shown.length)}`}
      </p>
    </>
  );
}

function CellButton({
  report,
  label,
  predicted,
}: Pick<Cell, 'label' | 'predicted'> & { report: CheckReport }) {
  const key = keyOf(label, predicted);
  const count = cells.value.get(key)?.answers.length ?? 0;
  if (count === 0) return null;
  const share = count / report.perClass[label]!.total;
  return (
    <button
      type="button"
      class={label === predicted ? 'right' : 'wrong'}
      style={{ '--share': share.toFixed(2) }}
      aria-expanded={opened.value === key}
      aria-label={`${titleOf(report, label, predicted)}: ${count}`}
      title={titleOf(report, label, predicted)}
      onClick={() => show(opened.value === key ? undefined : key)}
    >
      {count}
    </button>
  );
}

const idOf = (key: string) => `cell-${key}`;

/** Opens a cell's pictures and scrolls to them. */
function show(key: string | undefined): void {
  opened.value = key;
  if (key === undefined) return;
  requestAnimationFrame(() => {
    const pictures = document.getElementById(idOf(key));
    pictures?.scrollIntoView({ block: 'nearest' });
    pictures?.querySelector('summary')?.focus({ preventScroll: true });
  });
}

function titleOf(report: CheckReport, label: number, predicted: number): string {
  const m = messages.value.check;
  const name = (c: number) => report.classes[c]!.name;
  return label === predicted ? m.rightCell(name(label)) : m.mixup(name(label), name(predicted));
}

/** A cell's pictures, where mistakes can be relabelled or confirmed. */
function CellPictures({ cell, report }: { cell: Cell; report: CheckReport }) {
  const { key, label, predicted, answers } = cell;
  const hashes = answers.map(({ hash }) => hash);
  const isOpen = opened.value === key;
  return (
    <details
      class="mixup"
      id={idOf(key)}
      open={isOpen}
      onToggle={({ currentTarget }) => {
        if (currentTarget.open) opened.value = key;
        else if (opened.value === key) opened.value = undefined;
      }}
    >
      <summary>
        <span>{titleOf(report, label, predicted)}</span>
        <span class="strip" aria-hidden="true">
          {answers.slice(0, 3).map(({ hash }) => (
            <img key={hash} src={thumbnailUrl(hash)} alt="" />
          ))}
        </span>
        <span class="count">{answers.length}</span>
      </summary>
      {isOpen &&
        (label === predicted ? (
          <Recognised answers={answers} />
        ) : (
          <Listed items={answers} first={FIRST_SHOWN} class="reviews">
            {(answer) => <LabelReview key={answer.hash} answer={answer} report={report} among={hashes} />}
          </Listed>
        ))}
    </details>
  );
}

/** Number of a cell's pictures that are shown at first. */
const FIRST_SHOWN = 30;

/** Sorts by increasing confidence, because unsure answers are the most useful to look at. */
function Recognised({ answers }: Pick<Cell, 'answers'>) {
  return (
    <Listed items={answers.toReversed()} first={FIRST_SHOWN} class="recognised">
      {({ hash, probability }) => (
        <li key={hash}>
          <Seeable hash={hash} among={answers.map((one) => one.hash)} src={thumbnailUrl(hash)} />
          <span class="muted">{percent(probability)}</span>
        </li>
      )}
    </Listed>
  );
}
