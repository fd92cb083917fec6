import { parse } from 'csv-parse/sync';
import fc from 'fast-check';
import stringWidth from 'string-width';
import { describe, expect, it } from 'vitest';
import { renderCsv, renderMarkdown, renderText, type Table } from './table.ts';

interface Score {
  name: string;
  correct: number;
}

function scores(rows: Score[], maxWidth?: number): Table<Score> {
  return {
    columns: [
      { title: 'class', value: (row) => row.name, maxWidth },
      { title: 'correct', value: (row) => row.correct },
    ],
    rows,
  };
}

describe('renderText', () => {
  it('aligns numbers to the right and counts East Asian characters as two columns', () => {
    const text = renderText(
      scores([
        { name: '猫と犬', correct: 9 },
        { name: 'dog', correct: 12 },
      ]),
    );
    expect(text.split('\n')).toEqual([
      'class   correct',
      '──────  ───────',
      '猫と犬        9',
      'dog          12',
    ]);
  });

  it('cuts long cells with … at a whole character', () => {
    const text = renderText(scores([{ name: '日本語の長い名前', correct: 1 }], 6));
    expect(text.split('\n')[2]).toBe('日本…         1');
  });

  it('keeps every line inside the given width', () => {
    const names = fc.array(fc.record({ name: fc.string({ unit: 'grapheme' }), correct: fc.nat() }));
    fc.assert(
      fc.property(names, fc.integer({ min: 10, max: 60 }), (rows, width) => {
        for (const line of renderText(scores(rows), { width }).split('\n')) {
          expect(stringWidth(line)).toBeLessThanOrEqual(width);
        }
      }),
    );
  });

  it('lets no name control the terminal or break a line', () => {
    const text = renderText(scores([{ name: 'a\u001b[31m\nb\u009b2J\u202e', correct: 1 }]));
    expect(text.split('\n')).toHaveLength(3);
    expect(text.split('\n')[2]).toBe('a\\u001b[31m\\nb\\u009b2J\\u202e        1');
  });
});

describe('renderMarkdown', () => {
  it('marks number columns, and escapes Markdown', () => {
    expect(renderMarkdown(scores([{ name: 'a|b\n<i>', correct: 1 }]))).toBe(
      ['| class | correct |', '| --- | ---: |', '| a\\|b\\\\n\\<i\\> | 1 |'].join('\n'),
    );
  });
});

describe('renderCsv', () => {
  it('quotes commas, quotes and line breaks, and ends records with CRLF', () => {
    expect(renderCsv(scores([{ name: 'a "big", dog\n', correct: 1 }]))).toBe(
      'class,correct\r\n"a ""big"", dog\n",1\r\n',
    );
  });

  it('are read back unchanged by a CSV parser', () => {
    fc.assert(
      fc.property(fc.array(fc.record({ name: fc.string(), correct: fc.nat() })), (rows) => {
        const read = parse(renderCsv(scores(rows)), { record_delimiter: '\r\n' });
        expect(read.slice(1)).toEqual(rows.map((row) => [row.name, String(row.correct)]));
      }),
    );
  });
});
