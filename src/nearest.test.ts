import { expect, it } from 'vitest';
import { nearestName, suggestion } from './nearest.ts';

it.each([
  ['doge', 'dog'],
  ['rde', 'red'],
  ['Hamster', 'hamster'],
  ['clip-vitb32', 'clip-vit-b32'],
  ['penguin', undefined],
  ['cat', undefined],
  ['', undefined],
])('the nearest name to %j is %j', (given, name) => {
  expect(nearestName(given, ['dog', 'red', 'hamster', 'clip-vit-b32'])).toBe(name);
});

it('suggests the nearest of several names, and nothing if none is near', () => {
  expect(suggestion('eurosta', ['eurozone', 'eurosat'])).toBe('Did you mean "eurosat"? ');
  expect(suggestion('zebra', ['cat'])).toBe('');
});
