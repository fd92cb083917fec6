import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { renderBar, terminalBar } from './progress.ts';

describe('renderBar', () => {
  it('shows progress, rate and remaining time', () => {
    expect(renderBar('Encoding', { done: 50, total: 200 }, 12.4, 80)).toBe(
      'Encoding █████░░░░░░░░░░░░░░░ 50 of 200 · 12/s · 12 s left',
    );
    expect(renderBar('Downloading', { done: 3e8, total: 6e8, unit: 'bytes' }, 1e6, 80)).toContain(
      '300 MB of 600 MB · 1.0 MB/s · 5 min left',
    );
  });

  it('is always narrower than the terminal', () => {
    fc.assert(
      fc.property(
        fc.nat(),
        fc.nat(),
        fc.double({ min: 0, max: 1e6 }),
        fc.integer({ min: 1, max: 120 }),
        (done, more, rate, width) => {
          expect(renderBar('Encoding', { done, total: done + more }, rate, width).length).toBeLessThan(width);
        },
      ),
    );
  });
});

describe('terminalBar', () => {
  it('draws at most ten times a second, follows the rate of the last seconds, and erases itself', () => {
    let time = 0;
    const written: string[] = [];
    const bar = terminalBar('Encoding', (text) => written.push(text), { width: () => 80, now: () => time });
    // From the cache at 1000 a second for one second, then 10 a second.
    for (let i = 0; i <= 100; i++, time += 10) bar.update({ done: i * 10, total: 2000 });
    expect(written.length).toBeLessThanOrEqual(11);
    for (let i = 0; i <= 100; i++, time += 100) bar.update({ done: 1000 + i, total: 2000 });
    expect(written.at(-1)).toContain(' 10/s');
    bar.done();
    expect(written.at(-1)).toBe('\r\u001b[K');
    const count = written.length;
    bar.done();
    expect(written.length).toBe(count);
  });
});
