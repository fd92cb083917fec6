import { describe, expect, it } from 'vitest';
import { fromRows, row } from '../math/matrix.ts';
import { presetTemplates, renderPrompt, TEMPLATES, textHead } from './prompts.ts';
import type { Encoder } from './types.ts';

/** Embeds a text as its length and its number of a's. */
const counting = {
  logitScale: 100,
  defaults: { template: '{}' },
  embedTexts: async (texts: string[]) =>
    fromRows(texts.map((text) => [text.length, text.split('a').length - 1])),
} as unknown as Encoder;

describe('prompts', () => {
  it('contain the class name with spaces for underscores', () => {
    expect(renderPrompt('a photo of a {}.', 'chicken_wings')).toBe('a photo of a chicken wings.');
    expect(renderPrompt('{} or {}', '$& 苹果')).toBe('$& 苹果 or $& 苹果');
  });

  it('refuse a template without a place for the name', () => {
    expect(() => renderPrompt('a photo', 'cat')).toThrowError(/"a photo" has no \{\}/);
  });

  it('of every preset have a place for the name', () => {
    for (const template of Object.values(TEMPLATES).flat())
      expect(renderPrompt(template, 'cat')).toContain('cat');
    expect(TEMPLATES.imagenet).toHaveLength(7);
  });
});

describe('presets', () => {
  it('are found by name, and a near name is suggested', () => {
    expect(presetTemplates('dtd')).toEqual(['{} texture.']);
    expect(() => presetTemplates('eurosta')).toThrowError(
      expect.objectContaining({ hint: expect.stringContaining('Did you mean "eurosat"?') }),
    );
  });
});

describe('text head', () => {
  it('is the unit mean of unit prompt rows, and prompts keep their length', async () => {
    const head = await textHead(
      counting,
      [{ promptName: 'aa' }, { promptName: 'b', prompts: ['aaaa'] }],
      ['{}', '{}xx'],
    );
    expect(head.prompts).toEqual([
      ['aa', 'aaxx'],
      ['b', 'bxx', 'aaaa'],
    ]);
    expect([...head.promptClass]).toEqual([0, 0, 1, 1, 1]);
    expect([...row(head.promptFeatures, 1)]).toEqual([4, 2]);
    const [a, b] = [Math.SQRT1_2 + 4 / Math.sqrt(20), Math.SQRT1_2 + 2 / Math.sqrt(20)];
    expect(row(head.weights, 0)[0]).toBeCloseTo(a / Math.hypot(a, b), 6);
    expect(Math.hypot(...row(head.weights, 1))).toBeCloseTo(1, 6);
    expect(head.logitScale).toBe(100);
  });

  it('says which prompts are cut, and which are in a script that the encoder has not learnt', async () => {
    const textLength = async (texts: readonly string[]) => ({
      tokens: texts.map((text) => text.length),
      read: 4,
      foreign: texts.map((text) => text.includes('猫')),
    });
    const encoder = { ...counting, textLength };
    const { cut, foreign } = await textHead(
      encoder,
      [{ promptName: '猫' }, { promptName: 'longer' }],
      ['{}'],
    );
    expect(cut).toEqual([{ prompt: 'longer', tokens: 6, read: 4 }]);
    expect(foreign).toEqual(['猫']);
  });

  it('names a class without a prompt', async () => {
    await expect(textHead(counting, [{ promptName: 'cat' }], [])).rejects.toThrowError(/"cat" has no prompt/);
  });
});
