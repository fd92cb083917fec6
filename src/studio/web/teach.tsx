import { computed } from '@preact/signals';
import { api } from './api.ts';
import { EpochCurve, LossCurve } from './charts.tsx';
import { Findings } from './findings.tsx';
import { LabelNext } from './label-next.tsx';
import { Either } from './lists.tsx';
import { messages, percent } from './messages.ts';
import { ProblemText } from './notices.tsx';
import { board, check, classNames, methods, perform, picturesByClass, status, tellError } from './store.ts';
import { Tour } from './tour.tsx';
import { UnderTheHood } from './under-the-hood.tsx';
import { Undoable } from './undoable.tsx';
import { Untested } from './untested.tsx';
import { Upgrade } from './upgrade.tsx';

/** The section with the accuracy, the present method, and the mistakes. */
export function Teach() {
  const m = messages.value.teach;
  return (
    <section id="teach" aria-labelledby="teach-heading">
      <div class="heading">
        <h2 id="teach-heading">{m.heading}</h2>
        <p>{m.lead}</p>
      </div>
      <div class="flow">
        <Tour at="teach" />
        <Score />
        <Answerer />
        <LabelNext />
        <Findings />
      </div>
      <Undoable at="teach" />
    </section>
  );
}

/** The accuracy on left-out pictures, as one large number. */
function Score() {
  const m = messages.value.teach;
  const answering = status.value?.answering;
  const checked = check.value;
  if (!answering) return <Waiting />;
  if (!checked) {
    return isWorking() ? (
      <p class="placeholder">{m.checking}</p>
    ) : (
      <div class="placeholder untested">
        <p>{m.needMore}</p>
        <Untested />
      </div>
    );
  }
  const { correct, total, interval } = checked;
  const [low, high] = interval;
  return (
    <div class={`score${isWorking() ? ' stale' : ''}`}>
      <p class="figure">
        <strong>{percent(correct / total)}</strong> <span>{m.recognised(total)}</span>
      </p>
      <div class="range" aria-hidden="true">
        <i style={{ left: percent(low), width: percent(high - low) }} />
        <b style={{ left: percent(correct / total) }} />
      </div>
      <p class="muted">{m.between(percent(low), percent(high))}</p>
      <div class="untested">
        <Untested />
      </div>
      <Uneven />
      <CutNames />
    </div>
  );
}

/** Shows what the first classifier is waiting for. */
export function Waiting() {
  const m = messages.value;
  const { encoder, teaching } = status.value ?? {};
  const isReady = encoder?.state === 'ready';
  return (
    <p class="placeholder" role="status">
      {!isReady ? m.teach.noModel : teaching?.stage === 'looking' ? <StageText /> : m.teach.waiting}
      {isReady && teaching?.problem && <ProblemText problem={teaching.problem} />}
    </p>
  );
}

/** Ratio of the largest to the smallest class above which more pictures of the smallest are recommended. */
const UNEVEN = 5;

function Uneven() {
  const counts = board.value.classes
    .map(({ id, name }) => ({ name, count: picturesByClass.value.get(id)?.length ?? 0 }))
    .filter(({ count }) => count > 0)
    .sort((a, b) => a.count - b.count);
  const [least, most] = [counts[0], counts.at(-1)];
  if (!least || !most || most.count < UNEVEN * least.count) return null;
  return <p class="muted">{messages.value.teach.uneven(least.name, least.count, most.name, most.count)}</p>;
}

/** A warning about names that are longer than the encoder can read. */
function CutNames() {
  const names = (status.value?.cut ?? []).flatMap((id) => classNames.value.get(id) ?? []);
  return names.length === 0 ? null : <p class="muted">{messages.value.teach.cutNames(names)}</p>;
}

const isWorking = (): boolean =>
  ['looking', 'searching', 'checking'].includes(status.value?.teaching.stage ?? 'waiting');

/** The present method, the work in the background, and the choice of methods. */
function Answerer() {
  const m = messages.value.teach;
  const { answering, teaching } = status.value ?? {};
  if (!answering || !teaching) return null;
  const { settings } = board.value;
  const { by, parts, took } = answering;
  const name =
    by === 'hand'
      ? m.byHand
      : by === 'instant'
        ? m.instant
        : (parts?.map((part) => `${part.name} ${percent(part.share)}`).join(' + ') ??
          methodName(answering.method));
  const { leftOut = [], losses = [] } = teaching;
  return (
    <div class="card answerer">
      <dl>
        <dt>{m.answering}</dt>
        <dd>
          <strong id="answering">{name}</strong>
          <span class="muted"> {m.tookAfter(m.took(took))}</span>
        </dd>
      </dl>
      <p class={`stage ${teaching.stage}`} role="status">
        <StageText />
      </p>
      {teaching.problem && (
        <p class="problem">
          <ProblemText problem={teaching.problem} />
        </p>
      )}
      {leftOut.length > 0 ? (
        <figure id="left-out">
          <EpochCurve shares={leftOut} label={m.leftOut(leftOut.length, percent(leftOut.at(-1) ?? 0))} />
          <figcaption class="muted small">{m.leftOutHint}</figcaption>
        </figure>
      ) : (
        losses.length > 0 && (
          <figure>
            <LossCurve losses={losses} label={m.loss((losses.at(-1) ?? 0).toPrecision(2))} />
            <figcaption class="muted small">{m.lossHint}</figcaption>
          </figure>
        )
      )}
      <div class="actions">
        <label>
          {m.method}
          <select
            id="method"
            value={settings.method}
            onChange={({ currentTarget }) =>
              perform({ do: 'set', settings: { method: currentTarget.value, reject: settings.reject } })
            }
          >
            <option value="auto">{m.automatic}</option>
            {offered.value.map((method) => (
              <option key={method.id} value={method.id} title={method.paper}>
                {messages.value.method(method.id, method.name)}
              </option>
            ))}
          </select>
        </label>
        {isWorking() && teaching.stage !== 'looking' && (
          <button type="button" class="quiet" onClick={() => void api.stop().catch(tellError)}>
            {m.stop}
          </button>
        )}
        {canRest() && (
          <button type="button" class="quiet" onClick={() => void api.pause(!isPaused()).catch(tellError)}>
            <Either texts={[m.pause, m.goOn]} shown={isPaused() ? 1 : 0} />
          </button>
        )}
      </div>
      <UnderTheHood />
      <Upgrade />
    </div>
  );
}

function StageText() {
  const m = messages.value.teach;
  const { stage, done = 0, total = 0, stopped, paused } = status.value?.teaching ?? { stage: 'waiting' };
  if (stage === 'looking') return <>{m.looking(done, total)}</>;
  if (stage === 'done') return <>{stopped ? m.stopped : m.done}</>;
  return <>{paused ? m.paused : m[stage]}</>;
}

/** The methods that can be used with the encoder. */
const offered = computed(() =>
  methods.value.filter(
    ({ opensText, projects, readsText }) =>
      (!opensText || status.value?.encoder.opensText) &&
      (!projects || status.value?.encoder.projects) &&
      (!readsText || status.value?.encoder.readsText !== false),
  ),
);

/** Whether the search fits a method that trains in steps. */
const canRest = () =>
  status.value?.teaching.stage === 'searching' &&
  methods.value.some(({ id, trains }) => id === board.value.settings.method && trains);
const isPaused = () => status.value?.teaching.paused === true;

const methodName = (id: string): string =>
  messages.value.method(id, methods.value.find((method) => method.id === id)?.name ?? id);
