import { computed, signal } from '@preact/signals';
import { type CheckReport, thumbnailUrl } from './api.ts';
import { AccuracyCurve, Reliability } from './charts.tsx';
import { messages, percent } from './messages.ts';
import { board, check, classNames, perform } from './store.ts';

type Answer = CheckReport['answers'][number];

/** Pictures whose label the person has confirmed: they are no suspects any more. */
const confirmed = signal<ReadonlySet<string>>(new Set());

/** Wrong answers about pictures that are still where they were, the surest first. */
const mistakes = computed<readonly Answer[]>(() => {
  const report = check.value;
  if (!report) return [];
  const { pictures } = board.value;
  return report.answers
    .filter(({ label, predicted }) => label !== predicted)
    .filter(({ hash, label }) => pictures.get(hash)?.classId === report.classes[label].id)
    .toSorted((a, b) => b.probability - b.labelProbability - (a.probability - a.labelProbability));
});

/** Surer than this of another class than the one said: worth a look. */
const SUSPICIOUS = 0.5;
const MOST_SUSPECTS = 8;
const MOST_MIXUPS = 12;

/** What a check found: labels to look at, classes that are mixed up, and charts. */
export function Findings() {
  const m = messages.value.check;
  const report = check.value;
  if (!report) return null;
  const suspects = mistakes.value.filter(
    ({ hash, probability, labelProbability }) =>
      probability - labelProbability > SUSPICIOUS && !confirmed.value.has(hash),
  );
  return (
    <>
      {suspects.length > 0 && (
        <div class="part" id="suspects">
          <h3>{m.suspects}</h3>
          <p class="muted">{m.suspectsHint}</p>
          <ul class="doubts">
            {suspects.slice(0, MOST_SUSPECTS).map((answer) => (
              <Doubt key={answer.hash} answer={answer} report={report} />
            ))}
          </ul>
        </div>
      )}
      <Mixups report={report} />
      {report.curve.length > 1 && (
        <div class="part">
          <h3>{m.curve}</h3>
          <AccuracyCurve points={report.curve} />
          <p class="muted">{stillClimbs(report.curve) ? m.curveMore : m.curveFlat}</p>
        </div>
      )}
      <details class="part">
        <summary>{m.numbers}</summary>
        <p class="muted">{m.protocol(report.folds)}</p>
        <h3>{m.honest}</h3>
        <Reliability bins={report.bins} />
        <h3>{m.perClass}</h3>
        <table>
          <thead>
            <tr>
              <th scope="col">{m.class}</th>
              <th scope="col">{m.recognised}</th>
            </tr>
          </thead>
          <tbody>
            {report.perClass.map(({ correct, total }, c) => (
              <tr key={report.classes[c].id}>
                <th scope="row">{report.classes[c].name}</th>
                <td>
                  {correct}/{total}
                </td>
              </tr>
            ))}
          </tbody>
        </table>
      </details>
    </>
  );
}

/** Classes that are taken for each other, the most frequent first; each opens its pictures. */
function Mixups({ report }: { report: CheckReport }) {
  const m = messages.value.check;
  const cells = new Map<string, Answer[]>();
  for (const answer of mistakes.value) {
    const key = `${answer.label} ${answer.predicted}`;
    cells.set(key, [...(cells.get(key) ?? []), answer]);
  }
  const sorted = [...cells].sort(([, a], [, b]) => b.length - a.length).slice(0, MOST_MIXUPS);
  const name = (c: number) => report.classes[c].name;
  return (
    <div class="part" id="mixups">
      <h3>{m.mixups}</h3>
      {sorted.length === 0 && <p class="muted">{m.none}</p>}
      {sorted.map(([key, answers]) => (
        <details key={key} class="mixup">
          <summary>
            <span>{m.mixup(name(answers[0].label), name(answers[0].predicted))}</span>
            <span class="strip" aria-hidden="true">
              {answers.slice(0, 3).map(({ hash }) => (
                <img key={hash} src={thumbnailUrl(hash)} alt="" />
              ))}
            </span>
            <span class="count">{answers.length}</span>
          </summary>
          <ul class="doubts">
            {answers.map((answer) => (
              <Doubt key={answer.hash} answer={answer} report={report} />
            ))}
          </ul>
        </details>
      ))}
    </div>
  );
}

/** A picture whose label and answer differ, and the two ways to settle it. */
function Doubt({ answer, report }: { answer: Answer; report: CheckReport }) {
  const m = messages.value.check;
  const { hash, label, predicted, probability } = answer;
  const said = report.classes[label];
  const other = report.classes[predicted];
  const isThere = classNames.value.has(other.id);
  return (
    <li class="doubt">
      <img src={thumbnailUrl(hash)} alt={board.value.pictures.get(hash)?.name ?? ''} />
      <div>
        <p>
          {m.said(said.name)} <span class="muted">{m.says(other.name, percent(probability))}</span>
        </p>
        <div class="actions">
          <button
            type="button"
            disabled={!isThere}
            onClick={() => perform({ do: 'place', hashes: [hash], classId: other.id })}
          >
            {m.relabel(other.name)}
          </button>
          {!confirmed.value.has(hash) && (
            <button
              type="button"
              class="quiet"
              onClick={() => {
                confirmed.value = new Set([...confirmed.value, hash]);
              }}
            >
              {m.right(said.name)}
            </button>
          )}
        </div>
      </div>
    </li>
  );
}

/** Whether the last step up is more than a few points. */
const stillClimbs = (curve: CheckReport['curve']): boolean =>
  curve[curve.length - 1].accuracy - curve[curve.length - 2].accuracy > 0.02;
