import { signal } from '@preact/signals';
import { useEffect } from 'preact/hooks';
import { Accept } from './accept.tsx';
import { api, type NextPicture, thumbnailUrl } from './api.ts';
import { ClassChoice } from './class-choice.tsx';
import { useHandOn } from './focus.ts';
import { messages, percent } from './messages.ts';
import { Seeable } from './preview.tsx';
import { place } from './selection.ts';
import { board, picturesByClass, status } from './store.ts';

/** The pictures to label next, from the program's last answer. */
const proposed = signal<readonly NextPicture[]>([]);

/** Number of guesses that have a button at first. Another one may be added after them. */
const FIRST = 3;

/** Milliseconds to wait for further changes, because a person labels several pictures in a row. */
const PATIENCE = 400;

/** The unsorted pictures to label next, each with its most probable classes. */
export function LabelNext() {
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
      // After a failure, the next change requests them again.
      void api.next(stillOpen().map(({ hash }) => hash)).then(
        (pictures) => {
          proposed.value = steady(pictures);
        },
        () => {},
      );
    }, PATIENCE);
    return () => clearTimeout(timer);
  }, [count, serial]);

  const open = stillOpen();
  if (open.length === 0) return null;
  return (
    <div class="part" id="next">
      <h3>{m.heading}</h3>
      <p class="muted">{m.hint(count)}</p>
      <ul class="reviews">
        {open.map((picture) => (
          <Proposal key={picture.hash} picture={picture} />
        ))}
      </ul>
      <Accept />
    </div>
  );
}

/** The pictures that were proposed before and are still unsorted. */
const stillOpen = () =>
  proposed.value.filter(({ hash }) => {
    const picture = board.value.pictures.get(hash);
    return picture && !picture.classId;
  });

/** Keeps proposed pictures and their guesses in place, so that nothing moves under a finger. */
function steady(pictures: readonly NextPicture[]): NextPicture[] {
  const before = new Map(stillOpen().map((picture) => [picture.hash, picture]));
  const latest = new Map(pictures.map((picture) => [picture.hash, picture]));
  const kept = [...before.values()].map((picture) => inPlace(picture, latest.get(picture.hash)));
  return [...kept, ...pictures.filter(({ hash }) => !before.has(hash))];
}

/** A picture's guesses in their former places, with their present probabilities. If the first guess is new, it comes after them. */
function inPlace(before: NextPicture, now: NextPicture | undefined): NextPicture {
  if (!now) return before;
  const latest = new Map(now.guesses.map((guess) => [guess.id, guess]));
  const kept = before.guesses.slice(0, FIRST).map((guess) => latest.get(guess.id) ?? guess);
  const added = now.guesses.slice(0, 1).filter((top) => !kept.some(({ id }) => id === top.id));
  return { ...now, guesses: [...kept, ...added] };
}

function Proposal({ picture: { hash, guesses } }: { picture: NextPicture }) {
  const m = messages.value.next;
  const item = useHandOn<HTMLLIElement>();
  const name = board.value.pictures.get(hash)?.name ?? '';
  const { classes } = board.value;
  const known = guesses.slice(0, FIRST + 1).filter(({ id }) => classes.some((one) => one.id === id));
  return (
    <li class="review" ref={item} data-hash={hash}>
      <Seeable hash={hash} among={stillOpen().map((one) => one.hash)} src={thumbnailUrl(hash)} />
      <fieldset aria-label={m.question(name)}>
        <p class="clip" title={name}>
          {m.which} <span class="muted small">{name}</span>
        </p>
        <div class="actions">
          {known.map((guess) => (
            <button key={guess.id} type="button" title={guess.name} onClick={() => place([hash], guess.id)}>
              <span class="clip">{guess.name}</span>{' '}
              <span class="muted share">{percent(guess.probability)}</span>
            </button>
          ))}
          <ClassChoice
            label={m.other(name)}
            except={known.map(({ id }) => id)}
            onChoose={(id) => place([hash], id)}
          />
        </div>
      </fieldset>
    </li>
  );
}
