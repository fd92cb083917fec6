import { describe, expect, it } from 'vitest';
import { threadClock } from '../../tests/thread-clock.ts';
import { filesOf } from './form.ts';

const BOUNDARY = '----abcdefghijklmnopqrstuvwxyz0123';
const TYPE = `multipart/form-data; boundary=${BOUNDARY}`;
const DISPOSITION = 'Content-Disposition: form-data; name="picture"; filename="cat.jpg"';

const part = (head = DISPOSITION, body = 'bytes', boundary = BOUNDARY) =>
  `--${boundary}\r\n${head}\r\n\r\n${body}\r\n`;
const END = `--${BOUNDARY}--\r\n`;
const files = async (text: string, type = TYPE, most = 4) =>
  (await filesOf(type, Buffer.from(text), most)).map(({ name, bytes }) => [name, bytes.toString()]);
const named = (parameters: string) => files(part(`Content-Disposition: form-data; ${parameters}`) + END);

describe('the files of a form', () => {
  it('are returned unchanged and in order', async () => {
    const crlf = '\r\n--\r\n\r\n--x';
    expect(await files(part() + part(DISPOSITION.replace('cat', 'dog'), crlf) + END)).toEqual([
      ['cat.jpg', 'bytes'],
      ['dog.jpg', crlf],
    ]);
    const large = 'y'.repeat(1_000_000);
    expect(await files(part(DISPOSITION, large) + part(DISPOSITION, '') + END)).toEqual([
      ['cat.jpg', large],
      ['cat.jpg', ''],
    ]);
    expect(await files(END)).toEqual([]);
  });

  it.each([
    ['.NET', `name=picture; filename=cat.jpg; filename*=utf-8''cat.jpg`, 'cat.jpg'],
    ['.NET, other letters', `name=p; filename="=?utf-8?B?Y8O?="; filename*=utf-8''c%C3%A4t.jpg`, 'cät.jpg'],
    ['filename* alone', `name="picture"; filename*=utf-8''c%C3%A4t.jpg`, 'cät.jpg'],
    ['filename before name', 'filename="cat.jpg"; name="picture"', 'cat.jpg'],
    ['letters', 'name="picture"; filename="名前.jpg"', '名前.jpg'],
    ['a long name', `name="picture"; filename="${'x'.repeat(5000)}"`, 'x'.repeat(5000)],
    ['a quotation mark, as browsers write it', 'name="picture"; filename="a%22b.jpg"', 'a"b.jpg'],
    ['a quotation mark, quoted', 'name="picture"; filename="a\\"b;.jpg"', 'a"b;.jpg'],
    ['a folder', 'name="picture"; filename="a/b.jpg"', 'a/b.jpg'],
  ])('have names as clients write them: %s', async (_, parameters, name) => {
    expect(await named(parameters)).toEqual([[name, 'bytes']]);
  });

  it.each([
    ['text before', `hello\r\n${part()}${END}`, TYPE],
    ['an empty line before', `\r\n${part()}${END}`, TYPE],
    ['bytes after', `${part()}${END}bye`, TYPE],
    ['no last line end', part() + END.trim(), TYPE],
    [
      'a boundary of one character',
      `${part(DISPOSITION, 'bytes', 'x')}--x--`,
      'multipart/form-data; boundary=x',
    ],
    ['other headers', part(`Content-Type: image/jpeg\r\nX: y\r\n${DISPOSITION}`) + END, TYPE],
    ['a quoted boundary', part() + END, `Multipart/Form-Data; charset=utf-8; Boundary="${BOUNDARY}"`],
  ])('are found where there is %s', async (_, text, type) => {
    expect(await files(text, type)).toEqual([['cat.jpg', 'bytes']]);
  });

  it.each([
    ['nothing', '', TYPE, 'server/form'],
    ['half a head', `--${BOUNDARY}\r\nhalf`, TYPE, 'server/form'],
    ['half a file', part().slice(0, -4), TYPE, 'server/form'],
    ['no end', part(), TYPE, 'server/form'],
    ['another boundary', part() + END, 'multipart/form-data; boundary=other', 'server/form'],
    ['no boundary', part() + END, 'multipart/form-data', 'server/form'],
    ['too long a boundary', part() + END, `multipart/form-data; boundary=${'-'.repeat(71)}`, 'server/form'],
    ['a text', part('Content-Disposition: form-data; name="label"') + END, TYPE, 'server/field'],
    ['too many files', part().repeat(5) + END, TYPE, 'server/too-many'],
  ])('are refused where there is %s', async (_, text, type, code) => {
    await expect(files(text, type)).rejects.toMatchObject({ code });
  });

  const spoken = `Content-Disposition: form-data; name="--${BOUNDARY}--"; filename="c.jpg"`;
  it.each([
    ['parts', part().repeat(200_000) + END, 'server/too-many'],
    ['parts after a name like the end', part(spoken) + part().repeat(200_000) + END, 'server/too-many'],
    [
      'parts after an end inside a file',
      part(DISPOSITION, `x${END}y`) + part().repeat(200_000),
      'server/too-many',
    ],
    ['parts without a head', part('', '').repeat(400_000), 'server/too-many'],
    ['texts', part('Content-Disposition: form-data; name="a"').repeat(200_000) + END, 'server/field'],
    ['headers', part(`${DISPOSITION}\r\n${'a: b\r\n'.repeat(4e6)}`) + END, undefined],
    ['line ends before', '\r\n'.repeat(15e6) + part() + END, undefined],
    ['near boundaries', part(DISPOSITION, `\r\n--${BOUNDARY.slice(0, -1)}`.repeat(700_000)) + END, undefined],
    ['dashes', '\r\n--'.repeat(7e6), 'server/form'],
  ])('are parsed or refused quickly with millions of %s', async (_, text, code) => {
    const body = Buffer.from(text);
    const started = threadClock();
    const got = await filesOf(TYPE, body, 64).catch((error) => error);
    expect(threadClock() - started).toBeLessThan(1000);
    expect(got.code).toBe(code);
    if (!code) expect(got).toHaveLength(1);
  });
});
