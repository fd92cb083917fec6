import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Line } from './io.ts';
import { wrap, writers } from './screen.ts';

const HOSTILE = '\u001b]52;c;cm0gLXJm\u0007\u001b[2J\r\b\u202egpj.\n\u2028\u009b31m\u007f\ud800';
const ESCAPED =
  '\\u001b]52;c;cm0gLXJm\\u0007\\u001b[2J\\r\\u0008\\u202egpj.\\n\\u2028\\u009b31m\\u007f\\ud800';

function screens({ color = false, terminal = false, wrapAt }: Shown = {}) {
  const written = { out: '', err: '' };
  const screen = (name: keyof typeof written) => ({
    write(text: string) {
      written[name] += text;
    },
    terminal,
    color,
    wrapAt,
  });
  return { ...writers(screen('out'), screen('err')), written };
}

interface Shown {
  color?: boolean;
  terminal?: boolean;
  wrapAt?: number;
}

describe('writers', () => {
  it('shows control characters in texts as escapes, and keeps lines', () => {
    const { print, note, tell, written } = screens();
    print(HOSTILE);
    print(['one', HOSTILE]);
    note(HOSTILE);
    tell({ style: 'red', mark: 'error:', text: HOSTILE });
    expect(written).toEqual({
      out: `${ESCAPED}\none\n${ESCAPED}\n`,
      err: `${ESCAPED}\nerror: ${ESCAPED}\n`,
    });
  });

  it('colours only its own marks', () => {
    const { print, tell, written } = screens({ color: true });
    tell({ style: 'red', mark: 'error:', text: HOSTILE });
    print({ style: 'bold', mark: HOSTILE } satisfies Line);
    expect(written).toEqual({
      err: `\u001b[31merror:\u001b[39m ${ESCAPED}\n`,
      out: `\u001b[1m${ESCAPED}\u001b[22m\n`,
    });
  });

  it('writes data unchanged for programs, and safely on a terminal', () => {
    const csv = `image,name\r\n"${HOSTILE}",cat\r\n`;
    const piped = screens();
    piped.data(csv);
    expect(piped.written.out).toBe(csv);
    const seen = screens({ terminal: true });
    seen.data(csv);
    expect(seen.written.out).toBe(`image,name\n"${ESCAPED.replace('\\n', '\n')}",cat\n`);
  });

  it('breaks long lines at the given width, without counting colours', () => {
    const { tell, written } = screens({ color: true, wrapAt: 16 });
    tell({ style: 'red', mark: 'error:', text: 'nine more and more' });
    expect(written.err).toBe('\u001b[31merror:\u001b[39m nine more\nand more\n');
  });
});

describe('wrap', () => {
  it('breaks between words only and loses none', () => {
    const words = fc.array(fc.stringMatching(/^[a-z]{1,12}$/), { minLength: 1 });
    fc.assert(
      fc.property(words, fc.integer({ min: 12, max: 40 }), (list, width) => {
        const wrapped = wrap(list.join(' '), width);
        expect(wrapped.split(/[ \n]/).filter(Boolean)).toEqual(list);
        for (const line of wrapped.split('\n')) expect(line.length).toBeLessThanOrEqual(width);
      }),
    );
  });

  it('does not change lines that fit or have columns', () => {
    expect(wrap('  a b', 10)).toBe('  a b');
    expect(wrap('one two   three four', 10)).toBe('one two   three four');
  });
});
