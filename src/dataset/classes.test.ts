import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { classTable } from './class-table.ts';
import { describeClasses, matchClasses } from './classes.ts';
import { nameKey, naturalOrder } from './names.ts';
import { parseTable } from './text-files.ts';
import type { ClassInfo } from './types.ts';

const table = (text: string) => classTable(parseTable(new TextEncoder().encode(text), 'classes.csv'), []);
const classes = (...ids: string[]): ClassInfo[] =>
  ids.map((id) => ({ id, name: id.replaceAll('_', ' '), promptName: id, prompts: [] }));
const codes = (findings: { code: string }[]) => findings.map(({ code }) => code);

/** Ids with many accidental agreements. */
const id = fc.string({
  unit: fc.constantFrom('a', 'A', 'b', '_', '-', ' ', '1', '02', 'é', 'e\u0301', '猫'),
});

describe('natural order', () => {
  it('puts class_2 before class_10, in any case and in any language of the machine', () => {
    const sorted = ['class_10', 'Class_2', 'class_1', 'b', 'A', 'ä', 'class_010'].sort(naturalOrder);
    expect(sorted).toEqual(['A', 'b', 'class_1', 'Class_2', 'class_010', 'class_10', 'ä']);
  });

  it('is a total order', () => {
    fc.assert(
      fc.property(id, id, id, (a, b, c) => {
        expect(Math.sign(naturalOrder(a, b))).toBe(-Math.sign(naturalOrder(b, a)) + 0);
        if (naturalOrder(a, b) === 0) expect(a).toBe(b);
        if (naturalOrder(a, b) < 0 && naturalOrder(b, c) < 0) expect(naturalOrder(a, c)).toBeLessThan(0);
      }),
    );
  });
});

describe('describeClasses', () => {
  it('names classes after their ids, in natural order', () => {
    const { classes, findings } = describeClasses(['sea_lake', 'AnnualCrop', 'sea_lake', '_']);
    expect(classes.map(({ name }) => name)).toEqual(['_', 'AnnualCrop', 'sea lake']);
    expect(findings).toEqual([]);
  });

  it('takes names, prompt names and prompts from a classes.csv', () => {
    const { classes } = describeClasses(
      ['n02084071', 'crane', '猫'],
      table(
        'class;Name;prompt_name;prompts\nn02084071;dog;;\nCRANE;crane (bird);crane bird;a bird.|a tall bird.\n猫;;cat;',
      ),
    );
    expect(classes).toEqual([
      { id: 'crane', name: 'crane (bird)', promptName: 'crane bird', prompts: ['a bird.', 'a tall bird.'] },
      { id: 'n02084071', name: 'dog', promptName: 'dog', prompts: [] },
      { id: '猫', name: '猫', promptName: 'cat', prompts: [] },
    ]);
  });

  it('reads a classes.csv whose only key is the name', () => {
    const { classes } = describeClasses(['red_apple'], table('name,prompt_name\nRed Apple,apple fruit'));
    expect(classes[0]).toEqual({
      id: 'red_apple',
      name: 'Red Apple',
      promptName: 'apple fruit',
      prompts: [],
    });
  });

  it('names rows about unknown classes, and suggests the nearest class', () => {
    const { findings } = describeClasses(
      ['elephant', 'dog'],
      table('id,name\nelefant,Elephant\ndog,Dog\ndog,Hound'),
    );
    expect(codes(findings)).toEqual(['dataset/unknown-class', 'dataset/repeated-class']);
    expect(findings[0]!.message).toContain('"elefant" (did you mean "elephant"?)');
  });

  it('refuses a classes.csv without a column that names the class', () => {
    expect(() => describeClasses(['a'], table('prompt\nx'))).toThrow(
      expect.objectContaining({ code: 'dataset/column' }),
    );
  });

  it.each(['n02084071', 'class_7', '007', 'Label 3'])(
    'warns that %s tells a text encoder nothing',
    (code) => {
      expect(codes(describeClasses([code, 'dog']).findings)).toEqual(['dataset/codes']);
      expect(describeClasses([code, 'dog'], table(`id,name\n${code},cat`)).findings).toEqual([]);
    },
  );

  it('keeps classes of the same name apart with a warning; warns that 狗 is not English', () => {
    const { classes, findings } = describeClasses(['Dog', 'dog', '狗']);
    expect(classes).toHaveLength(3);
    expect(codes(findings)).toEqual(['dataset/other-script', 'dataset/alike-classes']);
  });

  it('reads the two Unicode forms of an accent as one class', () => {
    expect(describeClasses(['café', 'cafe\u0301']).classes.map(({ id }) => id)).toEqual(['café']);
  });
});

describe('matchClasses', () => {
  it('matches by name, never by position', () => {
    const match = matchClasses(classes('red_apple', 'dog', 'zebra'), classes('Dog', 'cat', 'red-apple'));
    expect(match).toEqual({ toB: [2, 0, -1], toA: [1, -1, 0], unmatchedA: [2], unmatchedB: [1] });
  });

  it('prefers the exact id, and leaves ambiguous classes unmatched', () => {
    expect(matchClasses(classes('Dog', 'dog'), classes('dog', 'DOG')).toB).toEqual([1, 0]);
    expect(matchClasses(classes('Dog', 'dog'), classes('DOG')).toB).toEqual([-1, -1]);
  });

  it('matches a code by the name a classes.csv gave it', () => {
    const coded: ClassInfo[] = [{ id: 'n02084071', name: 'Dog', promptName: 'dog', prompts: [] }];
    expect(matchClasses(coded, classes('cat', 'dog')).toB).toEqual([1]);
    expect(matchClasses(classes('cat', 'dog'), coded).toB).toEqual([-1, 0]);
  });

  it('is symmetric and one to one, and finds every class in itself', () => {
    const set = fc.uniqueArray(id, { maxLength: 8, selector: (text) => text.normalize('NFC') });
    fc.assert(
      fc.property(set, set, (x, y) => {
        const [a, b] = [classes(...x), classes(...y)];
        const match = matchClasses(a, b);
        const back = matchClasses(b, a);
        expect([back.toB, back.unmatchedB]).toEqual([match.toA, match.unmatchedA]);
        match.toB.forEach((j, i) => {
          if (j < 0) return;
          expect(match.toA[j]).toBe(i);
          expect(nameKey(a[i]!.id)).toBe(nameKey(b[j]!.id));
        });
        expect(matchClasses(a, a).toB).toEqual(a.map((_, i) => i));
      }),
    );
  });
});
