import { cameraSettings, cameras, RATES, setCamera, TIMERS } from './camera-source.ts';
import { messages } from './messages.ts';

/** The choice of a camera, and whether it is mirrored, for every place that uses the camera. */
export function CameraChoice() {
  const m = messages.value.camera;
  const { device, isMirrored } = cameraSettings.value;
  const known = cameras.value;
  return (
    <>
      {known.length > 1 && (
        <select
          aria-label={m.which}
          value={known.some(({ id }) => id === device) ? device : known[0]!.id}
          onChange={({ currentTarget }) => setCamera({ device: currentTarget.value })}
        >
          {known.map(({ id, label }, i) => (
            <option key={id} value={id}>
              {label || m.numbered(i + 1)}
            </option>
          ))}
        </select>
      )}
      <label>
        <input
          type="checkbox"
          checked={isMirrored}
          onChange={({ currentTarget }) => setCamera({ isMirrored: currentTarget.checked })}
        />
        {m.mirror}
      </label>
    </>
  );
}

/** The number of pictures in a burst, and its beginning and end. */
export function BurstChoice({ isDisabled }: { isDisabled: boolean }) {
  const m = messages.value.camera;
  const { rate, timer } = cameraSettings.value;
  return (
    <>
      <select
        aria-label={m.rate}
        value={rate}
        disabled={isDisabled}
        onChange={({ currentTarget }) => setCamera({ rate: Number(currentTarget.value) })}
      >
        {RATES.map((each) => (
          <option key={each} value={each}>
            {m.perSecond(each)}
          </option>
        ))}
      </select>
      <select
        aria-label={m.timer}
        value={timer}
        disabled={isDisabled}
        onChange={({ currentTarget }) => setCamera({ timer: Number(currentTarget.value) })}
      >
        {TIMERS.map(({ delay, length }, i) => (
          <option key={delay} value={i}>
            {delay === 0 ? m.held : m.after(delay, length)}
          </option>
        ))}
      </select>
    </>
  );
}
