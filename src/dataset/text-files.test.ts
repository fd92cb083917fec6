import { describe, expect, it } from 'vitest';
import { decodeText, parseJson, parseTable } from './text-files.ts';

const utf16be = (text: string) => Buffer.from(text, 'utf16le').swap16();

describe('text of files', () => {
  it.each([
    ['UTF-8', Buffer.from('path,ä')],
    ['UTF-8 with a mark', Buffer.from('\ufeffpath,ä')],
    ['UTF-16LE with a mark', Buffer.from('\ufeffpath,ä', 'utf16le')],
    ['UTF-16BE with a mark', utf16be('\ufeffpath,ä')],
    ['UTF-16LE without one', Buffer.from('path,ä', 'utf16le')],
    ['UTF-16BE without one', utf16be('path,ä')],
  ])('is read as %s', (_, bytes) => {
    expect(decodeText(bytes, 'list.csv')).toBe('path,ä');
  });

  it('is refused in another encoding', () => {
    expect(() => decodeText(Buffer.from('caf\u00e9,x', 'latin1'), 'list.csv')).toThrow(
      'list.csv is not in UTF-8',
    );
  });

  it('may be empty', () => {
    expect(decodeText(new Uint8Array(), 'list.csv')).toBe('');
  });
});

describe('JSON', () => {
  it('is read', () => {
    const value = { a: [{ b: 'x:{"y": 1}' }, { b: '\\"b": "' }], 'c"': { a: null } };
    expect(parseJson(JSON.stringify(value))).toEqual(value);
  });

  it.each([
    '{"a": 1, "b": 2, "a": 3}',
    '{"x": {"a": 1, "c": "\\"a\\":", "a" : 2}}',
    '[{"b": 1, "a": {}, "a": {}}]',
    '{"a": 1, "\\u0061": 2}',
  ])('with a repeated key is refused: %s', (text) => {
    expect(() => parseJson(text)).toThrow('the key "a" is given twice');
  });

  it('with keys that differ only in their escapes is refused', () => {
    expect(parseJson('{"\\u0061\\\\": 1, "a": 2}')).toEqual({ 'a\\': 1, a: 2 });
  });

  it('that is broken is refused', () => {
    expect(() => parseJson('{"a": ')).toThrow(SyntaxError);
  });
});

const read = (text: string, name = 'list.csv') => parseTable(Buffer.from(text), name);

describe('tables as spreadsheets write them', () => {
  const rows = [
    { path: '1.jpg', label: 'cat' },
    { path: '2.jpg', label: 'dog, big' },
  ];
  it.each([
    ['commas', 'path,label\n1.jpg,cat\n2.jpg,"dog, big"'],
    ['semicolons', 'path;label\n1.jpg;cat\n2.jpg;dog, big'],
    ['tabs', 'path\tlabel\n1.jpg\tcat\n2.jpg\tdog, big'],
    ['bars', 'path|label\n1.jpg|cat\n2.jpg|dog, big'],
    ['a line that names the separator', 'sep=,\npath,label\n1.jpg,cat\n2.jpg,"dog, big"'],
    ['such a line with a semicolon', '\ufeffsep=;\r\npath;label\r\n1.jpg;cat\r\n2.jpg;dog, big\r\n'],
    ['such a line against the header', 'sep=;\npath;"label"\n1.jpg;cat\n2.jpg;dog, big'],
    ['line ends of old Macs', 'path,label\r1.jpg,cat\r2.jpg,"dog, big"\r'],
    ['line ends of two programs', 'path,label\r\n1.jpg,cat\n2.jpg,"dog, big"\r\n'],
    ['blank lines', '\n\npath,label\n\n1.jpg,cat\n\n\n2.jpg,"dog, big"\n\n'],
    ['empty rows and columns', ',,,\npath,label,,\n1.jpg,cat,,\n,,,\n2.jpg,"dog, big",,\n,,,\n'],
    ['an index without a name', ',path,label\n0,1.jpg,cat\n1,2.jpg,"dog, big"'],
    ['blanks around fields', ' Path , LABEL \n 1.jpg , cat \n2.jpg,"dog, big" '],
    ['an invisible character in the header', '\u200bpath,la\u00adbel\n1.jpg,cat\n2.jpg,"dog, big"'],
  ])('with %s are read', (_, text) => {
    expect(read(text).rows).toEqual(rows);
  });

  it('with a quote inside a field are read', () => {
    const text = 'path,label\n1.jpg,9" apple pie\n2.jpg,"9"" apple pie"\n3.jpg,the "big" one';
    expect(read(text).rows.map(({ label }) => label)).toEqual([
      '9" apple pie',
      '9" apple pie',
      'the "big" one',
    ]);
  });

  it('with line ends of two programs and with short rows are read', () => {
    const text = 'path,label,split,group\r\n1.jpg,cat\n2.jpg,dog\n';
    expect(read(text).rows.map(({ label }) => label)).toEqual(['cat', 'dog']);
  });

  it('may have columns named like properties of every object', () => {
    const text = '{"path":"1.jpg","constructor":"b"}\n{"path":"2.jpg","__proto__":"c"}';
    const { columns, rows } = read(text, 'list.jsonl');
    expect(columns.map((column) => rows.map((row) => row[column]))).toEqual([
      ['1.jpg', '2.jpg'],
      ['b', undefined],
      [undefined, 'c'],
    ]);
  });

  it('may have column names of several words', () => {
    expect(read('File Name,Class-Name\n1.jpg,cat').columns).toEqual(['file_name', 'class_name']);
  });
});

describe('a table is refused', () => {
  it.each([
    ['a column twice', 'path,label,label\n1.jpg,a,b', 'list.csv has the column "label" twice'],
    ['a column twice, in two cases', 'path,Label,label \n1.jpg,a,b', 'the column "label" twice'],
    [
      'a field too many',
      'path,label\n1.jpg,a\n\n2.jpg,a,b',
      'list.csv, line 4, has 3 fields, but the header has 2',
    ],
    [
      'the same below a line for the separator',
      'sep=,\npath,label\n1.jpg,a\n2.jpg,a,b',
      'line 4, has 3 fields',
    ],
    [
      'too many columns',
      `path,label,${','.repeat(3)}${Array.from({ length: 30_000 }, (_, i) => `c${i}`)}\n`,
      '30,002 columns',
    ],
    ['a quote that does not end', 'path,label\n"1.jpg,a\n2.jpg,b', 'list.csv, line'],
  ])('with %s', (_, text, message) => {
    expect(() => read(text)).toThrow(message);
  });

  it.each([
    [
      'a key twice',
      '{"path":"1.jpg","label":"a"}\n{"path":"1.jpg","label":"a","label":"b"}',
      'line 2: the key "label"',
    ],
    ['a key in two cases', '{"path":"1.jpg","Label":"a","label":"b"}', 'line 1 has the column "label" twice'],
  ])('as JSON Lines with %s', (_, text, message) => {
    expect(() => read(text, 'list.jsonl')).toThrow(message);
  });
});
