import { api, type Problem } from './api.ts';
import { Icon } from './icons.tsx';
import { Listed } from './lists.tsx';
import { megabytes, messages } from './messages.ts';
import { PhoneNotice } from './phone.tsx';
import { dismiss, isCut, type Notice, notices, PASSING, status, tellError, unsaved } from './store.ts';

/** Notices for the person. They overlay the end of a column, so that no control moves, and those of the header and the tabs stay in reach. */
export function Notices() {
  const m = messages.value;
  return (
    <div class="notices" role="status">
      {isCut.value && <p class="notice warning">{api.hasProgram ? m.cut(unsaved.value) : m.elsewhere}</p>}
      <EncoderNotice />
      <PhoneNotice />
      {notices.value.map((notice) => (
        <div key={notice} class={`notice ${PASSING.has(notice.kind) ? '' : 'warning'}`}>
          <div>
            {notice.kind === 'duplicates' && m.notice.duplicates(notice.count ?? 0)}
            {notice.kind === 'held-out' && m.notice.heldOut(notice.count ?? 0)}
            {notice.kind === 'tried' && m.notice.tried(notice.count ?? 0)}
            {notice.kind === 'nothing' && m.notice.nothing}
            {notice.kind === 'merged' && m.notice.merged(notice.names?.[0] ?? '')}
            {notice.kind === 'freed' && m.notice.freed(notice.size ?? '')}
            {notice.kind === 'unreadable' && (
              <>
                {m.notice.unreadable(notice.count ?? 0)}
                {[...groupByProblem(notice.files ?? []).values()].map(([problem, names]) => (
                  <div key={problem.message}>
                    <ProblemText problem={problem} />
                    <Listed items={names} first={5} class="files">
                      {(name) => <li key={name}>{name}</li>}
                    </Listed>
                  </div>
                ))}
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

/** Names of files by their problem, because many files may have the same one. */
function groupByProblem(files: NonNullable<Notice['files']>): Map<string, [Problem, string[]]> {
  const groups = new Map<string, [Problem, string[]]>();
  for (const { name, problem } of files) {
    const known = groups.get(problem.message);
    if (known) known[1].push(name);
    else groups.set(problem.message, [problem, [name]]);
  }
  return groups;
}

export function ProblemText({ problem }: { problem: Problem }) {
  const { message, hint } = messages.value.problem(problem);
  return (
    <>
      {/[.!?。！？]$/.test(message) ? message : `${message}${messages.value.stop}`}
      {hint && <span class="muted"> {hint}</span>}
    </>
  );
}

/** The state of the encoder. Nothing is downloaded before the person has agreed. */
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
    case 'declined':
      return (
        <div class="notice">
          <div>{m.declined}</div>
          <button type="button" onClick={() => answer(true)}>
            {m.accept}
          </button>
        </div>
      );
    case 'downloading':
      return (
        <div class="notice">
          <label>
            {encoder.step === 'convert'
              ? m.converting
              : m.downloading(megabytes(encoder.received ?? 0), megabytes(encoder.total ?? 0))}{' '}
            <progress value={encoder.received} max={encoder.total} />
          </label>
          {encoder.step !== 'convert' && (
            <button type="button" class="quiet" onClick={() => answer(false)}>
              {m.stopDownload}
            </button>
          )}
        </div>
      );
    case 'failed':
      return (
        <div class="notice warning">
          <div>
            {m.failed}: {encoder.problem && <ProblemText problem={encoder.problem} />}
          </div>
          <button type="button" onClick={() => answer(true)}>
            {m.again}
          </button>
        </div>
      );
    default:
      return null;
  }
}
