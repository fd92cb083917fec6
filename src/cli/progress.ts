import stringWidth from 'string-width';
import { printable } from '../printable.ts';
import { number } from '../words.ts';
import { bytes, clock } from './format.ts';
import type { ProgressBar, ProgressState } from './io.ts';

const BAR = 20;
const REDRAW_MS = 100;
/** Milliseconds that the rate is averaged over: short enough to follow the change from cached to new pictures. */
const WINDOW_MS = 8000;
const ERASE = '\r\u001b[K';

/** A line with progress, rate and remaining time, narrower than `width` columns. */
export function renderBar(
  title: string,
  { done, total, unit, facts: more }: ProgressState,
  perSecond: number,
  width: number,
): string {
  const amount = unit === 'bytes' ? bytes : number;
  const far = total ? `${amount(done)} of ${amount(total)}` : amount(done);
  const parts = [far];
  if (perSecond > 0) {
    parts.push(`${amount(perSecond >= 10 ? Math.round(perSecond) : Math.round(10 * perSecond) / 10)}/s`);
    if (total && done < total) parts.push(`${clock((total - done) / perSecond)} left`);
  }
  if (more) parts.push(printable(more));
  const filled = total ? Math.min(BAR, Math.floor((BAR * done) / total)) : 0;
  const bar = total ? `${'█'.repeat(filled)}${'░'.repeat(BAR - filled)} ` : '';
  const facts = parts.join(' · ');
  const heading = printable(title);
  const candidates = [`${heading} ${bar}${facts}`, `${heading} ${facts}`, facts, far];
  return candidates.find((line) => stringWidth(line) < width) ?? '';
}

/** Draws the bar, at most ten times a second, and erases it at the end. `hide` erases it until the next update. */
export function terminalBar(
  title: string,
  write: (text: string) => void,
  { width, now = () => performance.now() }: { width(): number; now?: () => number },
): ProgressBar & { hide(): void } {
  const samples: { time: number; done: number }[] = [];
  let drawn = Number.NEGATIVE_INFINITY;
  let visible = false;
  const hide = () => {
    if (visible) write(ERASE);
    visible = false;
  };
  return {
    update(state) {
      const time = now();
      if (time - drawn < REDRAW_MS) return;
      samples.push({ time, done: state.done });
      while (samples.length > 2 && samples[0]!.time < time - WINDOW_MS) samples.shift();
      drawn = time;
      visible = true;
      const first = samples[0]!;
      const rate = time > first.time ? (1000 * (state.done - first.done)) / (time - first.time) : 0;
      write(ERASE + renderBar(title, state, rate, width()));
    },
    done: hide,
    hide,
  };
}
