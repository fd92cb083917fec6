import { describe, expect, it } from 'vitest';
import { parseJson } from './json.ts';

const BOUNDS = { depth: 3, values: 10 };
const parse = (text: string, bounds = BOUNDS) =>
  parseJson(text, bounds, (why) => {
    throw new Error(why);
  });

describe('parseJson', () => {
  it.each([
    ['[1, [2, [3]]]', [1, [2, [3]]]],
    ['{"a": "[[[[[[", "b": "\\\\\\"[[[["}', { a: '[[[[[[', b: '\\"[[[[' }],
    ['"1,2,3,4,5,6,7,8,9,10,11,12"', '1,2,3,4,5,6,7,8,9,10,11,12'],
    ['[1,2,3,4,5,6,7,8]', [1, 2, 3, 4, 5, 6, 7, 8]],
  ])('reads %s', (text, value) => {
    expect(parse(text)).toEqual(value);
  });

  it.each([
    ['[[[[]]]]', 'nested more than 3 deep'],
    ['{"a":{"b":{"c":{}}}}', 'nested more than 3 deep'],
    ['[1,2,3,4,5,6,7,8,9,10,11]', 'too many values (more than 10)'],
    ['[[],[],[],[],[],[]]', 'too many values (more than 10)'],
    ['[1,', 'not JSON'],
    ['"open', 'not JSON'],
    ['', 'not JSON'],
  ])('refuses %s', (text, why) => {
    expect(() => parse(text)).toThrow(why);
  });

  it('counts brackets before it makes lists of them', () => {
    const million = { depth: 32, values: 1_000_000 };
    expect(() => parse('['.repeat(50e6), million)).toThrow('deep');
    expect(() => parse(`[${'[],'.repeat(15e6)}[]]`, million)).toThrow('values');
  });
});
