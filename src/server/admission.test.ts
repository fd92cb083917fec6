import { describe, expect, it, vi } from 'vitest';
import { Admission } from './admission.ts';

const PACED = { deadline: 10_000, paced: true };

/** An admission that has measured this number of milliseconds for each picture, with eight pictures done at once. */
function paced(each: number, { deadline = 10_000, queue = 1000 } = {}): Admission {
  vi.useFakeTimers();
  const admission = new Admission({ queue, bytes: 100, deadline });
  for (let batch = 0; batch < 50; batch++) {
    const leave = Array.from({ length: 8 }, () => admission.enter(1, PACED));
    vi.advanceTimersByTime(8 * each);
    for (const done of leave) done(true);
  }
  vi.useRealTimers();
  return admission;
}

/** Number of requests that it admits. */
function letIn(admission: Admission): number {
  for (let n = 0; ; n++) {
    try {
      admission.enter(1, PACED);
    } catch {
      return n;
    }
  }
}

describe('admission', () => {
  it('admits requests that should be answered within the deadline, by the measured time of pictures', () => {
    expect(letIn(paced(100))).toBeGreaterThan(36);
    expect(letIn(paced(100))).toBeLessThan(46);
    expect(letIn(paced(500))).toBeLessThan(11);
    expect(letIn(paced(1, { queue: 64 }))).toBe(64);
  });

  it('refuses many pictures that would be late behind others, but not if there are no others', () => {
    const admission = paced(200);
    admission.enter(64, PACED)(false);
    admission.enter(5, PACED);
    expect(() => admission.enter(64, PACED)).toThrow(expect.objectContaining({ status: 503 }));
    admission.enter(64, { deadline: 300_000, paced: false });
  });

  it('states when to try again', () => {
    const admission = paced(500);
    letIn(admission);
    expect(() => admission.check()).toThrow(
      expect.objectContaining({ status: 503, headers: { 'retry-after': expect.stringMatching(/^[5-7]$/) } }),
    );
  });

  it('does not measure abandoned pictures', () => {
    const admission = paced(100);
    for (let i = 0; i < 100; i++) admission.enter(1, PACED)(false);
    expect(letIn(admission)).toBeLessThan(46);
  });

  it('does not measure a change that waited for a picture', () => {
    const admission = paced(100);
    vi.useFakeTimers();
    const changed = admission.enter(1, { deadline: 300_000, paced: false });
    vi.advanceTimersByTime(60_000);
    const leave = admission.enter(1, PACED);
    vi.advanceTimersByTime(100);
    leave(true);
    changed(true);
    vi.useRealTimers();
    expect(letIn(admission)).toBeGreaterThan(36);
  });

  it('keeps the bytes of admitted requests within the limit', () => {
    const admission = paced(1);
    admission.hold(60);
    expect(() => admission.hold(60)).toThrow(expect.objectContaining({ code: 'server/busy' }));
    admission.free(60);
    admission.hold(100);
    expect(admission.bytes).toBe(100);
  });
});
