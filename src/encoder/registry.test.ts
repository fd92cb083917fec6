import { describe, expect, it } from 'vitest';
import { encoderSource } from './encoder-source.ts';
import { DEFAULT_CLIP, REGISTRY } from './registry.ts';

describe('names of encoders', () => {
  it('in the registry stand for a repository, a revision and a precision', () => {
    expect(encoderSource('clip-vit-b32-int8')).toMatchObject({
      kind: 'hub',
      repo: 'Xenova/clip-vit-base-patch32',
      revision: 'd15189d7028b43f1d3e65039190477f6af591c2a',
      precision: 'quantized',
    });
    expect(encoderSource('resnet50-minilm')).toEqual({ kind: 'builtin', id: 'resnet50-minilm' });
    expect(encoderSource(DEFAULT_CLIP)).toMatchObject({ precision: 'vision=q4,text=quantized' });
    expect(new Set(REGISTRY.map(({ id }) => id)).size).toBe(REGISTRY.length);
  });

  it('may be any repository, bundle or folder', () => {
    expect(encoderSource('hf:me/mine@v1#fp16')).toMatchObject({
      kind: 'hub',
      repo: 'me/mine',
      revision: 'v1',
      precision: 'fp16',
    });
    const sha256 = 'a'.repeat(64);
    expect(encoderSource(`https://example.org/e.zip#sha256=${sha256}`)).toMatchObject({
      kind: 'https',
      sha256,
    });
    expect(encoderSource('./exported#quantized')).toMatchObject({ kind: 'folder', precision: 'quantized' });
  });

  it("take transformers.js's words for precisions, and one for each tower", () => {
    expect(encoderSource('hf:me/mine#q8')).toMatchObject({ precision: 'quantized' });
    const mixed = { precision: 'vision=fp16,text=quantized' };
    expect(encoderSource('hf:me/mine#vision=fp16,text=q8')).toMatchObject(mixed);
    const { id } = encoderSource('./exported#text=q8,vision=fp16');
    expect(id).toMatch(/exported#vision=fp16,text=quantized$/);
    expect(encoderSource(id)).toMatchObject(mixed);
    expect(encoderSource('hf:me/mine#text=q4')).toMatchObject({ precision: 'vision=fp32,text=q4' });
    expect(encoderSource('hf:me/mine#text=q4,vision=q4')).toMatchObject({ precision: 'q4' });
  });

  it.each([
    ['clip-vitb32', /Did you mean "clip-vit-b32"\?/],
    ['resnet', /Known are resnet50-minilm/],
    ['hf:me/mine#quantised', /Did you mean "quantized"\?/],
    ['hf:me/mine#vision=q9', /"q9" in .* Did you mean/],
    ['hf:me/mine#visual=q8', /for each tower: #vision=fp16,text=q8/],
    ['npm:left-pad@1.0.0', /resnet50-minilm/],
    ['https://example.org/e.zip', /sha256/],
  ])('%s is refused with advice', (name, advice) => {
    let error: { message?: string; hint?: string; exitCode?: number } = {};
    try {
      encoderSource(name);
    } catch (thrown) {
      error = thrown as typeof error;
    }
    expect(error.exitCode).toBe(2);
    expect(`${error.message} ${error.hint}`).toMatch(advice);
  });
});
