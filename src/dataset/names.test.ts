import { describe, expect, it } from 'vitest';
import { visible } from './names.ts';

describe('the visible form of names', () => {
  it.each([
    ['zero-width space', 'apple\u200b pie\u200b'],
    ['byte order mark', '\ufeffapple pie'],
    ['no-break space', 'apple\u00a0pie'],
    ['soft hyphen', 'ap\u00adple pie'],
    ['marks of direction', '\u200eapple\u202a pie\u202c\u2069'],
    ['word joiner', 'apple\u2060 pie'],
    ['blanks', ' apple\u3000\t pie\n'],
  ])('has no %s', (_, name) => {
    expect(visible(name)).toBe('apple pie');
  });

  it('is in form NFC, also if an invisible character was before an accent', () => {
    expect(visible('cafe\u0301')).toBe('café');
    expect(visible('cafe\u200b\u0301')).toBe('café');
  });

  it('keeps characters that change the look of scripts and emoji', () => {
    for (const name of ['👩‍🌾', '❤️', 'می‌خواهم', '猫', '🏴󠁧󠁢󠁥󠁮󠁧󠁿'])
      expect(visible(name)).toBe(name.normalize('NFC'));
  });
});
