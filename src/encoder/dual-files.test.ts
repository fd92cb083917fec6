import { describe, expect, it } from 'vitest';
import { readConfiguration } from './dual-configuration.ts';
import { findDualFiles } from './dual-files.ts';

const configuration = ['preprocessor_config.json', 'tokenizer.json', 'config.json'];

describe('files of a dual encoder', () => {
  it('are two towers, in the folder or in onnx/, with external weights', () => {
    const paths = [
      ...configuration,
      'onnx/vision_model.onnx',
      'onnx/vision_model.onnx_data',
      'onnx/text_model.onnx',
    ];
    expect(findDualFiles([...paths, 'onnx/text_model_fp16.onnx', 'README.md'], 'fp32', 'x')).toEqual({
      imageModel: 'onnx/vision_model.onnx',
      textModel: 'onnx/text_model.onnx',
      all: [
        'onnx/vision_model.onnx',
        'onnx/text_model.onnx',
        'onnx/vision_model.onnx_data',
        'config.json',
        'preprocessor_config.json',
        'tokenizer.json',
      ],
    });
  });

  it('may be one combined model, of a chosen precision', () => {
    const paths = [...configuration, 'onnx/model.onnx', 'onnx/model_fp16.onnx'];
    expect(findDualFiles(paths, 'fp16', 'x')).toMatchObject({
      imageModel: 'onnx/model_fp16.onnx',
      textModel: 'onnx/model_fp16.onnx',
    });
    expect(() => findDualFiles(paths, 'q4', 'x')).toThrowError(
      expect.objectContaining({ hint: expect.stringContaining('fp32, fp16') }),
    );
  });

  it('may differ in precision, and the error names what each tower has', () => {
    const paths = [...configuration, 'onnx/vision_model_fp16.onnx', 'onnx/text_model_quantized.onnx'];
    expect(findDualFiles(paths, 'vision=fp16,text=quantized', 'x').all.slice(0, 2)).toEqual(paths.slice(-2));
    expect(() => findDualFiles(paths, 'vision=fp16,text=fp32', 'x')).toThrowError(
      expect.objectContaining({ hint: 'It has vision=fp16 and text=quantized.' }),
    );
    expect(() => findDualFiles(paths, 'fp16', 'x')).toThrowError(
      expect.objectContaining({ hint: 'It has vision=fp16 and text=quantized.' }),
    );
  });

  it('need their configuration', () => {
    expect(() => findDualFiles(['model.onnx', 'tokenizer.json'], 'fp32', 'x')).toThrowError(
      /preprocessor_config\.json/,
    );
  });
});

describe('configuration', () => {
  const read = (files: Record<string, object>) =>
    readConfiguration((path) => ({ ...pixels, ...files })[path] as never);
  const pixels = {
    'preprocessor_config.json': { image_processor_type: 'CLIPImageProcessor' },
    'tokenizer.json': { model: {} },
  };
  const clip = { 'tokenizer.json': { model: { end_of_word_suffix: '</w>' } } };

  it('of CLIP: 77 tokens; the logit scale at the start of training is replaced by that at its end', () => {
    const { text, logitScale } = read({ ...clip, 'config.json': { logit_scale_init_value: 2.6592 } });
    expect(text).toEqual({ cleaning: 'clip', length: 77, padding: 'fixed', pad: 0 });
    expect(logitScale).toBe(100);
    expect(read({ ...clip, 'config.json': { logit_scale: Math.log(30) } }).logitScale).toBeCloseTo(30, 6);
  });

  it('of SigLIP: padded to 64 with its own token', () => {
    const { text } = read({
      'config.json': { model_type: 'siglip' },
      'tokenizer.json': { model: {}, added_tokens: [{ id: 1, content: '</s>' }] },
      'tokenizer_config.json': { model_max_length: 64, pad_token: '</s>' },
    });
    expect(text).toEqual({ cleaning: 'none', length: 64, padding: 'fixed', pad: 1 });
  });

  it('of others: padded only to the longest text of a batch, with a limit', () => {
    const { text } = read({ 'tokenizer_config.json': { model_max_length: 8192 } });
    expect(text).toEqual({ cleaning: 'none', length: 512, padding: 'longest', pad: 0 });
  });

  it('of SigLIP 2, which pads as SigLIP does', () => {
    expect(read({ 'config.json': { model_type: 'siglip2' } }).text).toMatchObject({
      length: 64,
      padding: 'fixed',
    });
  });

  it.each([
    [{ 'config.json': { model_type: 'made-up' } }, 'config.json cannot be used: model_type'],
    [{ 'config.json': { projection_dim: 0.5 } }, 'projection_dim'],
    [{ 'config.json': { logit_scale: 1000 } }, 'logit_scale'],
    [{ 'config.json': { text_config: [] } }, 'text_config'],
    [{ 'tokenizer.json': {} }, 'tokenizer.json cannot be used: model'],
    [{ 'tokenizer_config.json': { pad_token: 7 } }, 'pad_token'],
  ])('is refused by name if it is %j', (files, message) => {
    expect(() => read(files)).toThrow(message);
  });
});
