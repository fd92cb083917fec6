import { api } from './api.ts';
import { megabytes, messages } from './messages.ts';
import { ProblemText } from './notices.tsx';
import { status, tellError } from './store.ts';

/** The offer of CLIP while the built-in encoder is in use: its advantages, and its size. */
export function Upgrade() {
  const m = messages.value.encoder;
  const offer = status.value?.upgrade;
  if (!offer || offer.state === 'declined') return null;
  const answer = (yes: boolean) => void api.answerUpgrade(yes).catch(tellError);
  if (offer.state === 'downloading') {
    return (
      <div class="upgrade">
        <label>
          {offer.step === 'convert'
            ? m.converting
            : m.downloading(megabytes(offer.received ?? 0), megabytes(offer.total ?? offer.bytes ?? 0))}{' '}
          <progress value={offer.received} max={offer.total} />
        </label>
        <button type="button" class="quiet" onClick={() => answer(false)}>
          {m.stopDownload}
        </button>
      </div>
    );
  }
  return (
    <div class="upgrade">
      <p>{m.upgrade(offer.id ?? '', megabytes(offer.bytes ?? 0))}</p>
      <p class="muted small">{m.from(offer.source ?? '', offer.licence ?? '')}</p>
      {offer.problem && (
        <p class="problem">
          <ProblemText problem={offer.problem} />
        </p>
      )}
      <div class="actions">
        <button type="button" onClick={() => answer(true)}>
          {offer.state === 'failed' ? m.again : m.accept}
        </button>
        <button type="button" class="quiet" onClick={() => answer(false)}>
          {m.decline}
        </button>
      </div>
    </div>
  );
}
