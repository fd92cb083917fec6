import { describe, expect, it } from 'vitest';
import { pathLabels } from './path-labels.ts';

/** Paths with their classes: `held out` for held-out pictures, and `-` if there is no class. */
const told = (...paths: string[]) => {
  const labels = pathLabels(paths);
  return paths.map((path) => {
    const { className = '-', isHeldOut = false } = labels.get(path) ?? {};
    return isHeldOut ? 'held out' : className;
  });
};

describe('pictures that come with folders', () => {
  it.each([
    ['of classes', ['red_apple/1.jpg', 'pear/1.jpg'], ['red apple', 'pear']],
    ['of one class', ['cat/1.jpg', 'cat/2.jpg'], ['cat', 'cat']],
    ['in a folder around all', ['photos/cat/1.jpg', 'photos/dog/1.jpg'], ['cat', 'dog']],
    ['in bursts', ['cat/monday/1.jpg', 'cat/tuesday/1.jpg', 'dog/1.jpg'], ['cat', 'cat', 'dog']],
    ['beside loose ones', ['cat/1.jpg', 'dog/1.jpg', '1.jpg'], ['cat', 'dog', '-']],
    ['without any', ['1.jpg', '2.jpg'], ['-', '-']],
    [
      'of splits',
      ['d/Training/cat/1.jpg', 'd/Testing/cat/2.jpg', 'd/val/cat/3.jpg'],
      ['cat', 'held out', 'held out'],
    ],
    [
      'of splits in classes',
      ['cat/train/1.jpg', 'cat/test/2.jpg', 'dog/train/1.jpg'],
      ['cat', 'held out', 'dog'],
    ],
    ['of a test split alone', ['test/cat/1.jpg', 'test/dog/1.jpg'], ['cat', 'dog']],
    ['with pictures to sort', ['train/cat/1.jpg', 'train/dog/1.jpg', 'unlabeled/1.jpg'], ['cat', 'dog', '-']],
    ['of classes and a test folder', ['cat/1.jpg', 'dog/1.jpg', 'test/1.jpg'], ['cat', 'dog', '-']],
    ['of one layout', ['images/1.jpg', 'images/2.jpg'], ['-', '-']],
    ['without classes', ['train/1.jpg', 'test/2.jpg'], ['-', '-']],
  ])('%s', (_, paths, classes) => {
    expect(told(...paths)).toEqual(classes);
  });
});
