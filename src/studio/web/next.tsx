import { signal } from '@preact/signals';
import { useEffect } from 'preact/hooks';
import { api, type NextPicture, thumbnailUrl } from './api.ts';
import { ClassChoice } from './class-choice.tsx';
import { messages, percent } from './messages.ts';
import { board, perform, picturesByClass, status } from './store.ts';

/** Pictures that would teach most, as the program last said. */
const proposed = signal<readonly NextPicture[]>([]);

/** Milliseconds in which changes are waited for: a person labels several pictures one after the other. */
const PATIENCE = 400;

/** What is not sorted yet and would teach most, each with the classes it is most likely of. */
export function Next() {
  const m = messages.value.next;
  const unsorted = picturesByClass.value.get('') ?? [];
  const serial = status.value?.answering?.serial;
  const count = unsorted.length;
  useEffect(() => {
    if (count === 0 || serial === undefined) {
      proposed.value = [];
      return;
    }
    const timer = setTimeout(() => {
      // What cannot be had now is asked for again after the next change.
      void api.next().then(
        (pictures) => {
          proposed.value = pictures;
        },
        () => {},
      );
    }, PATIENCE);
    return () => clearTimeout(timer);
  }, [count, serial]);

  const open = proposed.value.filter(({ hash }) => {
    const picture = board.value.pictures.get(hash);
    return picture && !picture.classId;
  });
  if (open.length === 0) return null;
  return (
    <div class="part" id="next">
      <h3>{m.heading}</h3>
      <p class="muted">{m.hint(count)}</p>
      <ul class="doubts">
        {open.map((picture) => (
          <Proposal key={picture.hash} picture={picture} />
        ))}
      </ul>
    </div>
  );
}

function Proposal({ picture: { hash, guesses } }: { picture: NextPicture }) {
  const m = messages.value.next;
  const name = board.value.pictures.get(hash)?.name ?? '';
  const { classes } = board.value;
  const known = guesses.filter(({ id }) => classes.some((one) => one.id === id));
  const place = (classId: string) => perform({ do: 'place', hashes: [hash], classId });
  return (
    <li class="doubt">
      <img src={thumbnailUrl(hash)} alt={name} />
      <div>
        <p>{m.question(name)}</p>
        <div class="actions">
          {known.map((guess) => (
            <button key={guess.id} type="button" onClick={() => place(guess.id)}>
              {guess.name} <span class="muted">{percent(guess.probability)}</span>
            </button>
          ))}
          <ClassChoice label={m.other(name)} except={known.map(({ id }) => id)} onChoose={place} />
        </div>
      </div>
    </li>
  );
}
