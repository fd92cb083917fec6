import { once } from 'node:events';
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { npy, npyLabels, rowsOf } from '../src/bench/dump.fixture.ts';
import { fitOptions } from '../src/classifier/fit-options.ts';
import { fit } from '../src/classifier/index.ts';
import { commands } from '../src/cli/commands/index.ts';
import { recordingIo } from '../src/cli/io.fixture.ts';
import { runCli } from '../src/cli/program.ts';
import { InterruptedError } from '../src/errors.ts';
import { fromRows } from '../src/math/index.ts';
import { defineMethod, listMethods, registerMethod, tipAdapter } from '../src/methods/index.ts';
import { positive } from '../src/options.ts';
import { serverOptions } from '../src/server/server-options.ts';
import { version } from '../src/version.ts';

const src = join(import.meta.dirname, '..', 'src');
const folder = mkdtempSync(join(tmpdir(), 'deprecations-'));
afterAll(() => rmSync(folder, { recursive: true }));

const features = join(folder, 'features');
mkdirSync(features);
writeFileSync(join(features, 'info.json'), JSON.stringify({ dataset: 'made', classes: ['ant', 'bee'] }));
for (const table of ['text', 'train']) {
  const labels = table === 'text' ? [0, 1] : [0, 0, 1, 1];
  writeFileSync(join(features, `${table}.npy`), npy(rowsOf(labels, table)));
  if (table === 'train') writeFileSync(join(features, 'train.labels.npy'), npyLabels(labels));
}

/** Tip-Adapter with a renamed beta. */
const renamed = registerMethod(
  defineMethod({
    ...tipAdapter,
    id: 'renamed',
    auto: undefined,
    baseline: undefined,
    options: {
      ...tipAdapter.options,
      beta: positive({
        default: 5,
        help: 'Sharpness.',
        formerly: { name: 'sharpnessOfVotes', until: '99.0' },
      }),
    },
  }),
);

describe('what was renamed', () => {
  it('works under its former name on the command line, and a note gives the new name', async () => {
    const io = recordingIo();
    const file = join(folder, 'x.safetensors');
    const line = ['fit', features, '-o', file, '--method', 'renamed', '--tune', 'fixed'];
    expect(await runCli([...line, '--sharpness-of-votes', '7'], io), io.err()).toBe(0);
    expect(io.err()).toContain('Option sharpness-of-votes is called beta now.');
    expect(io.out()).toContain('beta 7 (given)');
    const help = recordingIo();
    await runCli(['fit', '--help', '--method', 'renamed'], help);
    expect(help.out()).not.toContain('sharpness-of-votes');
  });

  it('works in a program, with a warning', async () => {
    const warned = once(process, 'warning');
    const options = { sharpnessOfVotes: 7 };
    await using classifier = await fit(features, { method: renamed, tune: 'fixed', options });
    expect(classifier.data.options.beta).toBe(7);
    expect((await warned)[0].message).toContain('Option sharpness-of-votes is called beta now.');
  });

  it('accepts a signal in the place of options, with a warning', async () => {
    await using classifier = await fit(features, { method: 'prototype' });
    const rows = fromRows([
      [...classifier.data.support.features.data.slice(0, classifier.data.support.features.cols)],
    ]);
    const warned = once(process, 'warning');
    for (const call of [classifier.scores, classifier.probabilities]) {
      await expect(call.call(classifier, rows, AbortSignal.abort())).rejects.toThrow(InterruptedError);
      const { rows: answered } = await call.call(classifier, rows, new AbortController().signal);
      expect(answered).toBe(1);
    }
    expect((await warned)[0].message).toContain('Give the signal as { signal }.');
  });
});

it('is removed when its version is reached', async () => {
  const loaded = await Promise.all(commands.map(({ load }) => load()));
  const tables = [fitOptions, serverOptions, ...[...loaded, ...listMethods()].map(({ options }) => options)];
  const options = tables
    .flatMap((table) => Object.entries(table))
    .flatMap(([name, { formerly }]) => (formerly ? [{ name, until: formerly.until as string }] : []));
  const exports = readdirSync(src, { recursive: true, encoding: 'utf8' })
    .filter((file) => /(?<!\.test)\.tsx?$/.test(file))
    .flatMap((file) =>
      [...readFileSync(join(src, file), 'utf8').matchAll(/@deprecated(?: Until (\d+\.\d+):)?/g)].map(
        ([, until = 'none']) => ({ name: file, until }),
      ),
    );
  expect(exports.length).toBeGreaterThan(0);
  const isNewer = (until: string) => {
    const [own] = /^\d+\.\d+/.exec(version)!;
    return until.localeCompare(own, 'en', { numeric: true }) > 0;
  };
  expect([...options, ...exports].filter(({ until }) => !isNewer(until))).toEqual([]);
});
