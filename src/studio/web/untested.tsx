import type { Untestable } from '../status.ts';
import { cameraFor } from './camera.tsx';
import { Icon } from './icons.tsx';
import { messages } from './messages.ts';
import { classNames, status } from './store.ts';

/** Largest number of buttons for bursts that are shown. */
const OFFERED = 4;

/** The reasons why classes could not be tested, each with its remedy. */
export function Untested() {
  const m = messages.value.teach;
  const found = (status.value?.untestable ?? []).filter(({ id }) => classNames.value.has(id));
  const of = (wanted: Untestable['why']) => found.filter(({ why }) => why === wanted).map(({ id }) => id);
  const nameOf = (id: string) => classNames.value.get(id) ?? '';
  const [single, bursts, alike] = [of('one'), of('burst'), of('alike')];
  return (
    <>
      {single.length > 0 && <p>{m.onePicture(single.map(nameOf))}</p>}
      {bursts.length > 0 && (
        <>
          <p>{m.oneBurst(bursts.map(nameOf))}</p>
          <div class="actions">
            {bursts.slice(0, OFFERED).map((id) => (
              <button
                key={id}
                type="button"
                onClick={() => {
                  cameraFor.value = id;
                }}
              >
                <Icon name="camera" />
                <span class="clip">{m.takeBurst(nameOf(id))}</span>
              </button>
            ))}
          </div>
        </>
      )}
      {alike.length > 0 && <p>{m.nearCopies(alike.map(nameOf))}</p>}
    </>
  );
}
