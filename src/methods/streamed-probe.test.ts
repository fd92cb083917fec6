import { describe, expect, it } from 'vitest';
import { rowsOf } from '../bench/dump.fixture.ts';
import { selectRows } from '../math/matrix.ts';
import type { Tensor } from '../math/tensor.ts';
import { linearProbe } from './linear-probe.ts';
import type { Passes } from './method.ts';
import { fitSummary } from './summarise.ts';
import { summariseWith } from './summariser.ts';
import { plainSupport, type Task } from './task.ts';

const LABELS = Int32Array.from({ length: 400 }, (_, i) => (7 * i) % 4);
const rows = rowsOf([...LABELS], 'streamed');
/** The fifth class has no row. */
const CLASSES = 5;
const ids = [...Array(CLASSES).keys()].map(String);
const all: Task = { classes: CLASSES, dimension: 8, support: plainSupport(rows, LABELS), seed: 1 };
const origin = { method: linearProbe.id, encoder: 'made up', classes: ids, options: '' };
const form = linearProbe.summary!;
const samples = { rows, labels: LABELS };

/** The probe from all rows, for which only the given ones are in memory, and the number of readings. */
async function streamed(drawn: readonly number[], c: number, given: Partial<Task & Passes> = {}) {
  const options = { c };
  let readings = 0;
  const passes: Passes = {
    isLast: true,
    warn: (message) => expect.fail(message),
    pass: (name, basis) => {
      readings++;
      return summariseWith(form.passes![name]!, samples, { task: all, options, basis }, {});
    },
    ...given,
  };
  const sums = await summariseWith(form, samples, { task: all, options }, {});
  const labels = drawn.map((i) => LABELS[i]!);
  const task = { ...all, ...given, support: plainSupport(selectRows(rows, [...drawn]), labels) };
  const state = await fitSummary(linearProbe, { origin, ...sums }, task, options, passes);
  return { state, readings };
}

/** The largest difference of the weights and biases from those of all rows in memory, as a share of the largest number. */
async function difference(state: Awaited<ReturnType<typeof streamed>>['state'], c: number): Promise<number> {
  const whole = await linearProbe.fit(all, { c });
  const [a, b] = [state, whole].map(({ weight, bias }) => [
    ...(weight as Tensor).data,
    ...(bias as Tensor).data,
  ]) as [number[], number[]];
  const largest = Math.max(...b.map(Math.abs));
  return Math.max(...a.map((x, i) => Math.abs(x - b[i]!))) / largest;
}

const first = (n: number) => [...Array(n).keys()];
const withoutClass = (lost: number) => first(200).filter((i) => LABELS[i] !== lost);

describe('a linear probe from rows that memory does not hold', () => {
  it.each([
    { what: 'all rows are drawn', drawn: first(400), c: 10, most: 3 },
    { what: 'half of them are drawn', drawn: first(200), c: 10, most: 9 },
    { what: 'the penalty is strong', drawn: first(100), c: 0.01, most: 8 },
    { what: 'a class is not drawn', drawn: withoutClass(2), c: 3, most: 14 },
  ])('is that of all rows in memory if $what, after at most $most readings', async ({ drawn, c, most }) => {
    const { state, readings } = await streamed(drawn, c);
    expect(await difference(state, c)).toBeLessThan(2e-3);
    expect(readings).toBeLessThanOrEqual(most);
  });

  it('starts from a state, and is the same each time', async () => {
    const one = await streamed(first(200), 10);
    const again = await streamed(first(200), 10);
    expect(again).toEqual(one);
    expect((await streamed(first(200), 10, { start: one.state })).readings).toBeLessThan(4);
  });

  it('can be cancelled between readings, and says if it ends too early', async () => {
    const stop = new AbortController();
    const pass: Passes['pass'] = (name, basis) => {
      stop.abort();
      return summariseWith(form.passes![name]!, samples, { task: all, options: { c: 1 }, basis }, {});
    };
    await expect(streamed(first(200), 1, { pass, signal: stop.signal })).rejects.toMatchObject({
      name: 'InterruptedError',
    });
    const told: string[] = [];
    // These losses get larger with every reading.
    let worse = 0;
    const rising: Passes['pass'] = async (name, basis) => {
      const sums = await summariseWith(
        form.passes![name]!,
        samples,
        { task: all, options: { c: 1 }, basis },
        {},
      );
      sums.sums.loss!.data[0]! += 1e4 * worse++;
      return sums;
    };
    const given = { pass: rising, warn: (message: string) => told.push(message) };
    // A fit that only decides a temperature goes on as the start of the last one.
    await streamed(first(200), 1, { ...given, isLast: false });
    expect(told).toEqual([]);
    await streamed(first(200), 1, given);
    expect(told).toEqual([expect.stringContaining('is less exact than in memory')]);
  });

  it('cannot be learnt from sums alone', async () => {
    const sums = await summariseWith(form, samples, { task: all, options: { c: 1 } }, {});
    await expect(fitSummary(linearProbe, { origin, ...sums }, all, { c: 1 })).rejects.toMatchObject({
      code: 'summary/task',
    });
  });
});
