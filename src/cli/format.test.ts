import { expect, it } from 'vitest';
import { flag, integer } from '../options.ts';
import { methodText } from './fitted-text.ts';
import { bytes, clock } from './format.ts';
import { flagsText, helpText } from './help-text.ts';
import { recordingIo } from './io.fixture.ts';
import { tellFindings } from './tell.ts';

it('formats sizes and times', () => {
  expect([0, 999, 1000, 9.96e6, 606_000_000, 1.25e9].map(bytes)).toEqual([
    '0 B',
    '999 B',
    '1.0 KB',
    '10 MB',
    '606 MB',
    '1.3 GB',
  ]);
  expect([0.2, 89, 90, 5400].map(clock)).toEqual(['1 s', '89 s', '2 min', '1.5 h']);
});

it('writes flags as they are typed', () => {
  expect(flagsText('fromBundle', integer({ help: '', short: 'b' }))).toBe('-b, --from-bundle <n>');
  const on = flag({ default: true, help: 'Turn photos.' });
  expect([flagsText('exif', on), helpText(on)]).toEqual(['--no-exif', 'Do not turn photos.']);
});

it('prints warnings with some of their files', () => {
  const io = recordingIo();
  const paths = ['1', '2', '3', '4', '5', '6', '7'];
  tellFindings(io, [
    { level: 'info', code: 'x/y', message: 'Found.', paths },
    { level: 'warning', code: 'x/z', message: 'Odd', paths },
  ]);
  expect(io.err()).toBe('Found.\nwarning: Odd\n  1\n  2\n  3\n  4\n  5\n  and 2 more\n');
  expect(io.out()).toBe('');
});

it("names a method's constants and their origin", () => {
  const tuning = { alpha: 1.23456, beta: 9, temperature: 1, judges: 6, folds: 3, surface: [] };
  const options = { alpha: tuning.alpha, beta: tuning.beta };
  const tuned = { method: 'tip-adapter', options, tuning: { ...tuning, protocol: 'folds' as const } };
  expect(methodText(tuned)).toBe('tip-adapter, alpha 1.23, beta 9 (tuned by folds)');
  const leftOut = { ...tuned, tuning: { ...tuning, protocol: 'left-out' as const } };
  expect(methodText(leftOut)).toBe('tip-adapter, alpha 1.23, beta 9 (tuned on left-out rows)');
  const paper = { ...tuned, tuning: { ...tuning, protocol: 'paper' as const } };
  expect(methodText(paper)).toContain('on the test split as in the paper, optimistic');
  const fixed = { ...tuned, tuning: { ...tuning, protocol: 'fixed' as const } };
  expect(methodText(fixed)).toBe('tip-adapter, alpha 1.23, beta 9 (not tuned)');
  const rule = { ...tuning, protocol: 'fixed' as const, given: ['alpha'], fromExamples: ['beta'] };
  expect(methodText({ ...tuned, tuning: rule })).toBe(
    'tip-adapter, alpha 1.23 (given), beta 9 (from the examples)',
  );
  expect(methodText({ ...tuned, method: 'zero-shot', options: {} })).toBe('zero-shot');
});
