import { api, type Problem } from './api.ts';
import { Icon } from './icons.tsx';
import { megabytes, messages } from './messages.ts';
import { dismiss, isCut, notices, status, tellError } from './store.ts';

/** Everything the person should know before going on, above the columns. */
export function Notices() {
  const m = messages.value;
  return (
    <div class="notices" role="status">
      {isCut.value && <p class="notice warning">{m.cut}</p>}
      <EncoderNotice />
      {notices.value.map((notice) => (
        <div key={notice} class={`notice ${notice.kind === 'duplicates' ? '' : 'warning'}`}>
          <div>
            {notice.kind === 'duplicates' && m.notice.duplicates(notice.count ?? 0)}
            {notice.kind === 'merged' && m.notice.merged(notice.names?.[0] ?? '')}
            {notice.kind === 'unreadable' && (
              <>
                {m.notice.unreadable(notice.count ?? 0)}
                <ul>
                  {notice.names?.map((name) => (
                    <li key={name}>{name}</li>
                  ))}
                </ul>
              </>
            )}
            {notice.problem && <ProblemText problem={notice.problem} />}
          </div>
          <button type="button" class="quiet square" aria-label={m.close} onClick={() => dismiss(notice)}>
            <Icon name="close" />
          </button>
        </div>
      ))}
    </div>
  );
}

export function ProblemText({ problem: { message, hint } }: { problem: Problem }) {
  return (
    <>
      {message}
      {hint && <span class="muted"> {hint}</span>}
    </>
  );
}

/** The model that looks at pictures: nothing is downloaded before the person has agreed. */
function EncoderNotice() {
  const m = messages.value.encoder;
  const encoder = status.value?.encoder;
  const answer = (download: boolean) => void api.answerDownload(download).catch(tellError);
  switch (encoder?.state) {
    case 'loading':
      return <p class="notice">{m.loading}</p>;
    case 'offered':
      return (
        <div class="notice offer">
          <div>
            {m.offered(encoder.id ?? '', encoder.bytes ? megabytes(encoder.bytes) : '')}
            <span class="muted"> {m.from(encoder.source ?? '', encoder.licence ?? '')}</span>
          </div>
          <button type="button" class="primary" onClick={() => answer(true)}>
            {m.accept}
          </button>
          <button type="button" onClick={() => answer(false)}>
            {m.decline}
          </button>
        </div>
      );
    case 'downloading':
      return (
        <div class="notice">
          <label>
            {encoder.step === 'convert' ? m.converting : m.downloading}{' '}
            <progress value={encoder.received} max={encoder.total} />
          </label>
        </div>
      );
    case 'failed':
      return (
        <p class="notice warning">
          {m.failed}: {encoder.problem && <ProblemText problem={encoder.problem} />}
        </p>
      );
    default:
      return null;
  }
}
