import { Writable } from 'node:stream';
import { describe, expect, it } from 'vitest';
import { boundedWriter, jsonLog } from './log.ts';

describe('the log', () => {
  it('is a line of JSON for each event with any content', () => {
    const lines: string[] = [];
    const hostile = 'a\n{"level":"error"}\u001b[2J\u009b2J\u202e\u2028';
    const log = jsonLog((line) => lines.push(line));
    log('info', 'request', { model: hostile, pictures: undefined });
    log('error', 'reload');
    expect(lines.map((line) => line.endsWith('\n') && line.indexOf('\n') === line.length - 1)).toEqual([
      true,
      true,
    ]);
    for (const raw of ['\u001b', '\u009b', '\u202e', '\u2028']) expect(lines.join('')).not.toContain(raw);
    const [first, second] = lines.map((line) => JSON.parse(line));
    expect(first).toEqual({
      time: expect.stringMatching(/^\d{4}-\d\d-\d\dT[\d:.]+Z$/),
      level: 'info',
      event: 'request',
      model: hostile,
    });
    expect(second).toMatchObject({ level: 'error', event: 'reload' });
  });

  it('is dropped and counted while no one reads it', () => {
    let read = () => {};
    const written: string[] = [];
    const stream = new Writable({
      decodeStrings: false,
      write(line, _, done) {
        written.push(line);
        read = done;
      },
    });
    const write = boundedWriter(stream);
    const line = `${'x'.repeat(999)}\n`;
    for (let i = 0; i < 5000; i++) write(line);
    expect(stream.writableLength).toBeLessThan(2 ** 20 + 2 * line.length);
    while (stream.writableLength > 0) read();
    const kept = written.length;
    write(line);
    read();
    expect(JSON.parse(written[kept]!)).toMatchObject({ event: 'lines-dropped', dropped: 5000 - kept });
    expect(written[kept + 1]).toBe(line);
  });
});
