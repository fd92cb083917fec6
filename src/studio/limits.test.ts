import { expect, it } from 'vitest';
import { changeSchema, openJournal } from './journal.ts';
import { keptClassName, keptCopyName, keptPicture, MOST } from './limits.ts';

const hash = '0'.repeat(64);

it('shortens the texts of an import to what the journal accepts, between code points', () => {
  const long = `${'a'.repeat(99)}😀${'b'.repeat(99)}😀${'c'.repeat(299)}😀`;
  const picture = keptPicture({ hash, name: `\ud800\0${long}`, group: long });
  expect(picture.group).toMatch(/^a{87}…[0-9a-f]{12}$/);
  expect(keptClassName(`${'a'.repeat(186)}😀${'b'.repeat(99)}`)).toMatch(/^a{186}…[0-9a-f]{12}$/);
  for (const command of [
    { do: 'add', pictures: [picture] },
    { do: 'add-class', id: 'a', name: keptClassName('\u0958'.repeat(150)) },
  ])
    expect(changeSchema.safeParse({ command }).error).toBeUndefined();
  expect(keptPicture({ hash, name: '猫.png', classId: 'a' })).toEqual({ hash, name: '猫.png', classId: 'a' });
});

it('keeps long names and groups apart that differ only in their ends', () => {
  const names = ['a', 'b'].map((end) => `${'x'.repeat(MOST.className)}${end}`);
  expect(new Set(names.map(keptClassName)).size).toBe(2);
  expect(new Set(names.map((group) => keptPicture({ hash, name: 'x.png', group }).group)).size).toBe(2);
});

it('the name of a copy ends like that of a copy, whatever the length of the name', () => {
  const copyOf = (name: string) => `${name} (copy)`;
  expect(keptCopyName('pets', copyOf)).toBe('pets (copy)');
  const long = keptCopyName('😀'.repeat(100), copyOf);
  expect(long).toMatch(/ \(copy\)$/);
  expect(changeSchema.safeParse({ command: { do: 'name', name: long } }).error).toBeUndefined();
});

it('a change that could not be read again is refused, and nothing of it is written', async () => {
  let text = '';
  const journal = await openJournal({
    name: 'journal',
    hint: '',
    read: async () => text || undefined,
    replace: async (whole) => {
      text = whole;
    },
    open: async () => ({
      length: text.length,
      append: async (bytes) => {
        text += new TextDecoder().decode(bytes);
      },
      truncate: async () => {},
      close: async () => {},
    }),
  });
  const before = text;
  const adding = journal.append(
    { command: { do: 'add-class', id: 'a', name: 'cat' } },
    { command: { do: 'add', pictures: [{ hash, name: 'a.png', group: 'g'.repeat(101) }] } },
  );
  await expect(adding).rejects.toMatchObject({ code: 'studio/change' });
  expect(text).toBe(before);
  expect(journal.history.board.classes).toEqual([]);
});
