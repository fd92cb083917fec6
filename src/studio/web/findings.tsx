import { curveTrend } from '../curve-trend.ts';
import { type CheckReport, thumbnailUrl } from './api.ts';
import { AccuracyCurve, Reliability, Sparkline } from './charts.tsx';
import { LabelReview } from './label-review.tsx';
import { Listed } from './lists.tsx';
import { messages } from './messages.ts';
import { Mixups } from './mixups.tsx';
import { Seeable } from './preview.tsx';
import { board, check, classNames, perform } from './store.ts';
import { alikeSets, suspects } from './trouble.ts';
import { tellDone } from './undoable.tsx';

const FIRST_SUSPECTS = 3;

/** The results of a check: suspects, confused classes, and charts. */
export function Findings() {
  const m = messages.value.check;
  const report = check.value;
  if (!report) return null;
  return (
    <>
      {suspects.value.length > 0 && (
        <div class="part" id="suspects">
          <h3>{m.suspects}</h3>
          <p class="muted">{m.suspectsHint}</p>
          <Listed items={suspects.value} first={FIRST_SUSPECTS} class="reviews">
            {(answer) => (
              <LabelReview
                key={answer.hash}
                answer={answer}
                report={report}
                among={suspects.value.map(({ hash }) => hash)}
              />
            )}
          </Listed>
        </div>
      )}
      <Alike />
      <Mixups report={report} />
      {report.curve.length > 1 && (
        <div class="part">
          <h3>{m.curve}</h3>
          <AccuracyCurve points={report.curve} />
          <p class="muted">{m.curveTrend[curveTrend(report.curve)]}</p>
        </div>
      )}
      <details class="part">
        <summary>{m.numbers}</summary>
        <p class="muted">{m.protocol(report.folds, report.total, report.pictures)}</p>
        <h3>{m.honest}</h3>
        <Reliability bins={report.bins} />
        <ClassByClass report={report} />
      </details>
    </>
  );
}

/** Each class's result, and how it changed from test to test. */
function ClassByClass({ report: { classes, perClass, past } }: { report: CheckReport }) {
  const m = messages.value.check;
  return (
    <>
      <h3>{m.perClass}</h3>
      <table>
        <thead>
          <tr>
            <th scope="col">{m.class}</th>
            {past.length > 1 && <th scope="col">{m.overTime(past.length)}</th>}
            <th scope="col">{m.recognised}</th>
          </tr>
        </thead>
        <tbody>
          {classes.map(({ id, name }, c) => (
            <tr key={id}>
              <th scope="row">{name}</th>
              {past.length > 1 && (
                <td>
                  <Sparkline shares={past.map((check) => shareOf(check[id]))} />
                </td>
              )}
              <td>
                {perClass[c]!.correct}/{perClass[c]!.total}
              </td>
            </tr>
          ))}
        </tbody>
      </table>
      {past.length > 1 && <p class="muted small">{m.overTimeHint}</p>}
    </>
  );
}

/** Undefined if the class was not tested. */
const shareOf = (result?: { correct: number; total: number }): number | undefined =>
  result && result.total > 0 ? result.correct / result.total : undefined;

const FIRST_SETS = 5;

/** Sets of near-duplicates; those in several classes come first. */
function Alike() {
  const m = messages.value.check;
  const { pictures } = board.value;
  const classesOf = (set: readonly string[]) => [
    ...new Set(set.flatMap((hash) => classNames.value.get(pictures.get(hash)?.classId ?? '') ?? [])),
  ];
  const sets = alikeSets.value.toSorted((a, b) => classesOf(b).length - classesOf(a).length);
  if (sets.length === 0) return null;
  return (
    <div class="part" id="alike">
      <h3>{m.alike}</h3>
      <p class="muted">{m.alikeHint}</p>
      <Listed items={sets} first={FIRST_SETS} class="reviews">
        {(set) => (
          <li key={set[0]} class="alike">
            <Listed items={set} first={6} class="recognised">
              {(hash) => (
                <li key={hash}>
                  <Seeable hash={hash} among={set} src={thumbnailUrl(hash)} />
                </li>
              )}
            </Listed>
            <p>{classesOf(set).length > 1 ? m.alikeConflict(classesOf(set)) : classesOf(set)[0]}</p>
            <div class="actions">
              <button
                type="button"
                onClick={() => {
                  perform({ do: 'discard', hashes: set.slice(1) });
                  tellDone(messages.value.collect.discarded(set.length - 1));
                }}
              >
                {m.keepFirst}
              </button>
              <button type="button" class="quiet" onClick={() => perform({ do: 'confirm', hashes: set })}>
                {m.keepAll}
              </button>
            </div>
          </li>
        )}
      </Listed>
    </div>
  );
}
