import { describe, expect, it } from 'vitest';
import { decodeText, parseJson } from './decode-text.ts';
import { visible } from './names.ts';

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

  it('is empty', () => {
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
  ])('with a key that is given twice is refused: %s', (text) => {
    expect(() => parseJson(text)).toThrow('the key "a" is given twice');
  });

  it('with keys that differ only in how they are escaped', () => {
    expect(parseJson('{"\\u0061\\\\": 1, "a": 2}')).toEqual({ 'a\\': 1, a: 2 });
  });

  it('that is broken is refused', () => {
    expect(() => parseJson('{"a": ')).toThrow(SyntaxError);
  });
});

describe('names as they are seen', () => {
  it.each([
    ['zero-width space', 'apple\u200b pie\u200b'],
    ['byte order mark', '\ufeffapple pie'],
    ['no-break space', 'apple\u00a0pie'],
    ['soft hyphen', 'ap\u00adple pie'],
    ['marks of direction', '\u200eapple\u202a pie\u202c\u2069'],
    ['word joiner', 'apple\u2060 pie'],
    ['blanks', ' apple\u3000\t pie\n'],
  ])('have no %s', (_, name) => {
    expect(visible(name)).toBe('apple pie');
  });

  it('are in form NFC, also where something invisible stood before an accent', () => {
    expect(visible('cafe\u0301')).toBe('café');
    expect(visible('cafe\u200b\u0301')).toBe('café');
  });

  it('keep what changes how scripts and emoji look', () => {
    for (const name of ['👩‍🌾', '❤️', 'می‌خواهم', '猫', '🏴󠁧󠁢󠁥󠁮󠁧󠁿'])
      expect(visible(name)).toBe(name.normalize('NFC'));
  });
});
