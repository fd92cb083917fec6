import { describe, expect, it } from 'vitest';
import { preprocessingOf } from './preprocessor-config.ts';

const mean = [0.48145466, 0.4578275, 0.40821073];
const std = [0.26862954, 0.26130258, 0.27577711];

const clip = {
  resize: 'shortest',
  resizeTo: 224,
  crop: 224,
  filter: 'bicubic',
  channels: 'rgb',
  layout: 'nchw',
  scale: 1 / 255,
  mean,
  std,
};

describe('preprocessor_config.json', () => {
  it('of CLIPImageProcessor', () => {
    const config = {
      image_processor_type: 'CLIPImageProcessor',
      crop_size: { height: 224, width: 224 },
      size: { shortest_edge: 224 },
      do_center_crop: true,
      do_rescale: true,
      rescale_factor: 1 / 255,
      resample: 3,
      image_mean: mean,
      image_std: std,
    };
    expect(preprocessingOf(config)).toEqual(clip);
  });

  it('of CLIPFeatureExtractor, with bare numbers', () => {
    const config = {
      crop_size: 224,
      size: 224,
      do_center_crop: true,
      resample: 3,
      image_mean: mean,
      image_std: std,
    };
    expect(preprocessingOf(config)).toEqual(clip);
  });

  it('of SiglipImageProcessor: both sides squashed, pixels in -1..1', () => {
    const half = [0.5, 0.5, 0.5];
    const config = { size: { height: 224, width: 224 }, resample: 3, image_mean: half, image_std: half };
    expect(preprocessingOf(config)).toEqual({ ...clip, resize: 'squash', mean: half, std: half });
  });

  it('of MobileCLIP: no normalisation, bilinear', () => {
    const config = {
      size: { shortest_edge: 256 },
      crop_size: { height: 256, width: 256 },
      do_center_crop: true,
      do_normalize: false,
      resample: 2,
    };
    expect(preprocessingOf(config)).toEqual({
      ...clip,
      resizeTo: 256,
      crop: 256,
      filter: 'bilinear',
      mean: [0, 0, 0],
      std: [1, 1, 1],
    });
  });

  it('of jina-clip, with its own names', () => {
    const config = { size: 224, mean, std, interpolation: 'bicubic', resize_mode: 'shortest' };
    expect(preprocessingOf(config)).toEqual(clip);
  });

  it.each([
    [{ size: 224, resample: 1 }, /resample 1/],
    [{ size: { height: 224, width: 384 } }, /384 x 224/],
    [{ size: 224, do_resize: false }, /do_resize/],
    [{ size: 224, image_mean: [0.5] }, /image_mean/],
  ])('refuses %o by name', (config, message) => {
    expect(() => preprocessingOf(config)).toThrowError(message);
  });
});
