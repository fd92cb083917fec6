import { describe, expect, it } from 'vitest';
import { UsageError } from '../errors.ts';
import { confusions, FULL_CELL } from './confusion-matrix.ts';
import { html } from './html.ts';
import { duration, probability, shareTicks } from './numbers.ts';
import { exampleReport, PIXEL } from './report.fixture.ts';
import { renderReport } from './report.ts';
import { DARK, LIGHT, type Palette } from './theme.ts';

const SCRIPT = '<script>alert(1)</script>"\'><img src=x onerror=alert(1)>';

describe('renderReport', () => {
  it('gives accuracy, data and interval on the first screen', () => {
    const [header] = renderReport(exampleReport()).match(/<header>.*<\/header>/s)!;
    expect(header).toContain('92.5%');
    expect(header).toContain('148 of 160 new pictures');
    expect(header).toContain('Caltech-101, 10 classes');
    expect(header).toContain('87.5% to 95.5%');
    expect(header).toContain('14 March 2025');
  });

  it('needs no network and runs no script', () => {
    const page = renderReport(exampleReport());
    expect(page).toContain('default-src &#39;none&#39;');
    expect(page).not.toMatch(/<script|<link|@import|url\(|https?:/);
    for (const [, source] of page.matchAll(/\ssrc="([^"]*)"/g)) expect(source).toMatch(/^data:image\//);
  });

  it('escapes every text of the data', () => {
    const plain = exampleReport();
    const page = renderReport(hostile(plain));
    expect(page).not.toMatch(/<script/i);
    expect(page).not.toContain('<img src=x');
    expect(tags(page)).toEqual(tags(renderReport(blank(plain))));
  });

  it('shows embedded pictures of known types only', () => {
    const first = exampleReport().predictions[0]!;
    for (const image of [
      'https://example.org/a.png',
      'data:text/html;base64,AAAA',
      'data:image/svg+xml;base64,AAAA',
    ]) {
      const page = renderReport(
        exampleReport({ predictions: [{ ...first, image, neighbours: [] }], suspects: [] }),
      );
      expect(page).not.toContain(image);
      expect(page).toContain('no picture');
    }
    expect(renderReport(exampleReport())).toContain(`src="${PIXEL}"`);
  });

  it('lists the most confused pairs instead of a heat map for more than 20 classes', () => {
    const classes = Array.from({ length: 21 }, (_, i) => `class ${i}`);
    const confusion = classes.map((_, i) =>
      classes.map((_, j) => (i === j ? 9 : i === 4 && j === 7 ? 3 : 0)),
    );
    const perClass = classes.map((name) => ({ name, correct: 9, total: 9 }));
    const page = renderReport(exampleReport({ classes, confusion, perClass }));
    expect(page).not.toContain('aria-label="Confusion matrix"');
    expect(page).toMatch(/class 4<\/th><td class="text">class 7<\/td><td class="number">3 of 12/);
    expect(page).toContain('<summary>1 more</summary>');
  });

  it('states on the first screen whether anything was chosen on the test pictures', () => {
    const data = exampleReport();
    const chosenBy = (protocol: string) =>
      renderReport({
        ...data,
        method: undefined,
        methods: data.methods.map((method) => ({ ...method, protocol })),
      });
    expect(chosenBy('folds')).toContain('never on the test pictures');
    expect(chosenBy('paper')).toContain('the accuracy is optimistic');
  });

  it('leaves out the parts that it has no data for', () => {
    const page = renderReport(exampleReport({ curves: [], predictions: [], suspects: [] }));
    expect(page).not.toContain('How many examples does it take?');
    expect(page).not.toContain('The pictures</h2>');
    expect(page).not.toContain('Labels to look at again');
  });

  it('gives every table row and column a heading, and every picture a text', () => {
    const page = renderReport(exampleReport());
    expect(page).not.toMatch(/<th(?![^>]*scope=)(?=[\s>])/);
    expect(page).not.toMatch(/<img(?![^>]*alt="[^"]+")/);
    expect(page).not.toMatch(/<svg(?![^>]*(aria-label="[^"]+"|aria-hidden))/);
    expect(page).not.toMatch(/NaN|undefined|Infinity|\[object/);
  });

  it('refuses a method without scores', () => {
    expect(() => renderReport(exampleReport({ method: 'tip' }))).toThrow(UsageError);
    expect(() => renderReport(exampleReport({ methods: [] }))).toThrow('needs a method');
  });
});

describe('html', () => {
  it('keeps markup, escapes text, and drops undefined values', () => {
    const bold = html`<b>${'<&"\'`'}</b>`;
    expect(`${html`<p title="${'"'}">${[bold, 1]}${undefined}${false}</p>`}`).toBe(
      '<p title="&#34;"><b>&#60;&#38;&#34;&#39;&#96;</b>1</p>',
    );
  });
});

describe('confusions', () => {
  it('lists mistakes, most frequent first, with the size of their class', () => {
    const matrix = [
      [5, 1, 0],
      [2, 1, 0],
      [0, 0, 4],
    ];
    expect(confusions(['a', 'b', 'c'], matrix)).toEqual([
      { truth: 'b', predicted: 'a', count: 2, total: 3 },
      { truth: 'a', predicted: 'b', count: 1, total: 6 },
    ]);
  });
});

describe('numbers', () => {
  it('never rounds a probability to 0 or 100%', () => {
    expect([0, 0.001, 0.5, 0.999, 1].map(probability)).toEqual(['0%', '<1%', '50%', '>99%', '100%']);
  });

  it('writes durations in the units that people use', () => {
    expect([0.0301, 1.94, 125].map(duration)).toEqual(['30 ms', '1.9 s', '2 min 5 s']);
  });

  it('puts round ticks around the shares of an axis', () => {
    expect(shareTicks(0.56, 0.97)).toEqual([0.5, 0.6, 0.7, 0.8, 0.9, 1]);
    expect(shareTicks(1, 1)).toEqual([0.99, 1]);
    expect(shareTicks(0, 1)).toEqual([0, 0.2, 0.4, 0.6, 0.8, 1]);
  });
});

describe.each([
  ['light', LIGHT],
  ['dark', DARK],
])('%s colours', (_, palette) => {
  it('reach a contrast of 4.5 for text and 3 for marks', () => {
    const { paper, card, ink, muted, accent, right, wrong, series } = palette;
    for (const ground of [paper, card]) {
      for (const text of [ink, muted, accent, right, wrong])
        expect(contrast(text, ground)).toBeGreaterThan(4.5);
    }
    for (const mark of series) expect(contrast(mark, paper)).toBeGreaterThan(3);
  });

  it('keep the numbers of the confusion matrix readable', () => {
    for (const fill of fills(palette)) expect(contrast(palette.ink, fill)).toBeGreaterThan(4.5);
  });
});

function fills({ paper, accent, wrong }: Palette): string[] {
  return [accent, wrong].map((colour) => {
    const [over, under] = [channels(colour), channels(paper)];
    return `#${over
      .map((value, i) =>
        Math.round(under[i]! + FULL_CELL * (value - under[i]!))
          .toString(16)
          .padStart(2, '0'),
      )
      .join('')}`;
  });
}

function channels(colour: string): [number, number, number] {
  const channel = (i: number) => Number.parseInt(colour.slice(i, i + 2), 16);
  return [channel(1), channel(3), channel(5)];
}

/** WCAG 2 contrast ratio. */
function contrast(a: string, b: string): number {
  const [one, other] = [luminance(a), luminance(b)];
  return (Math.max(one, other) + 0.05) / (Math.min(one, other) + 0.05);
}

function luminance(colour: string): number {
  const linear = (channel: number) => {
    const value = channel / 255;
    return value <= 0.04045 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4;
  };
  const [r, g, b] = channels(colour);
  return 0.2126 * linear(r) + 0.7152 * linear(g) + 0.0722 * linear(b);
}

/** The data with every text but pictures replaced; equal texts stay equal. */
function withTexts<T>(value: T, text: string): T {
  if (typeof value === 'string') return (value.startsWith('data:') ? value : value + text) as T;
  if (Array.isArray(value)) return value.map((item) => withTexts(item, text)) as T;
  if (value === null || typeof value !== 'object') return value;
  return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, withTexts(item, text)])) as T;
}

function hostile<T>(value: T): T {
  return withTexts(value, SCRIPT);
}

function blank<T>(value: T): T {
  return withTexts(value, 'x'.repeat(SCRIPT.length));
}

/** Names of the elements of a page, in order. */
function tags(page: string): string[] {
  return Array.from(page.matchAll(/<\/?([a-z][a-z0-9]*)/gi), ([, name]) => name!);
}
