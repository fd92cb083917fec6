import { type CheckReport, thumbnailUrl } from './api.ts';
import { ClassChoice } from './class-choice.tsx';
import { focusIn, useHandOn } from './focus.ts';
import { messages, percent } from './messages.ts';
import { Seeable } from './preview.tsx';
import { place } from './selection.ts';
import { board, classNames, perform } from './store.ts';
import type { Answer } from './trouble.ts';

/** A picture whose label and answer differ, with buttons to relabel or confirm it. */
export function LabelReview({
  answer,
  report,
  among,
}: {
  answer: Answer;
  report: CheckReport;
  among: readonly string[];
}) {
  const m = messages.value.check;
  const { hash, label, predicted, probability } = answer;
  const said = report.classes[label]!;
  const other = report.classes[predicted]!;
  const name = board.value.pictures.get(hash)?.name ?? '';
  const isThere = classNames.value.has(other.id);
  const item = useHandOn<HTMLLIElement>();
  const confirm = () => {
    // The picture may stay in the list, but its button is removed.
    focusIn(item.current);
    perform({ do: 'confirm', hashes: [hash] });
  };
  return (
    <li class="review" ref={item}>
      <Seeable hash={hash} among={among} src={thumbnailUrl(hash)} />
      <fieldset aria-label={name}>
        <p>
          {m.said(short(said.name))}{' '}
          <span class="muted">{m.says(short(other.name), percent(probability))}</span>
        </p>
        <div class="actions">
          <button
            type="button"
            title={m.relabel(other.name)}
            disabled={!isThere}
            onClick={() => place([hash], other.id)}
          >
            <span class="clip">{m.relabel(other.name)}</span>
          </button>
          {!board.value.confirmed.has(hash) && (
            <button type="button" title={m.right(said.name)} onClick={confirm}>
              <span class="clip">{m.right(said.name)}</span>
            </button>
          )}
          <ClassChoice
            label={messages.value.next.other(name)}
            except={[said.id, other.id]}
            onChoose={(id) => place([hash], id)}
          />
        </div>
      </fieldset>
    </li>
  );
}

const LONGEST = 48;

/** A shortened name in a sentence; a button's accessible label has the whole name. */
const short = (name: string) => (name.length > LONGEST ? `${name.slice(0, LONGEST)}…` : name);
