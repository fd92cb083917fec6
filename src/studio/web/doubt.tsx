import { type CheckReport, thumbnailUrl } from './api.ts';
import { ClassChoice } from './class-choice.tsx';
import { messages, percent } from './messages.ts';
import { board, classNames, perform } from './store.ts';

export type Answer = CheckReport['answers'][number];

/** A picture whose label and answer differ, and the ways to settle it. */
export function Doubt({ answer, report }: { answer: Answer; report: CheckReport }) {
  const m = messages.value.check;
  const { hash, label, predicted, probability } = answer;
  const said = report.classes[label];
  const other = report.classes[predicted];
  const name = board.value.pictures.get(hash)?.name ?? '';
  const isThere = classNames.value.has(other.id);
  const place = (classId: string) => perform({ do: 'place', hashes: [hash], classId });
  return (
    <li class="doubt">
      <img src={thumbnailUrl(hash)} alt={name} loading="lazy" />
      <div>
        <p>
          {m.said(said.name)} <span class="muted">{m.says(other.name, percent(probability))}</span>
        </p>
        <div class="actions">
          <button type="button" disabled={!isThere} onClick={() => place(other.id)}>
            {m.relabel(other.name)}
          </button>
          {!board.value.confirmed.has(hash) && (
            <button type="button" class="quiet" onClick={() => perform({ do: 'confirm', hashes: [hash] })}>
              {m.right(said.name)}
            </button>
          )}
          <ClassChoice
            label={messages.value.next.other(name)}
            except={[said.id, other.id]}
            onChoose={place}
          />
        </div>
      </div>
    </li>
  );
}
