import { describe, expect, it } from 'vitest';
import { preprocessingOf, preprocessorOf } from './preprocessor-config.ts';

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
  it('of CLIPImageProcessor is read', () => {
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

  it('of CLIPFeatureExtractor is read with bare numbers', () => {
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

  it('of SiglipImageProcessor resizes both sides to the given size, with pixels in -1..1', () => {
    const half = [0.5, 0.5, 0.5];
    const config = { size: { height: 224, width: 224 }, resample: 3, image_mean: half, image_std: half };
    expect(preprocessingOf(config)).toEqual({ ...clip, resize: 'squash', mean: half, std: half });
  });

  it('of MobileCLIP has no normalisation and resizes bilinearly', () => {
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

  it('of jina-clip is read with its own names', () => {
    const config = { size: 224, mean, std, interpolation: 'bicubic', resize_mode: 'shortest' };
    expect(preprocessingOf(config)).toEqual(clip);
  });

  it('with nulls, as written by the fast processors of transformers 4, has the defaults of the class', () => {
    const config = {
      image_processor_type: 'CLIPImageProcessorFast',
      crop_size: { height: 336, width: 336 },
      size: { shortest_edge: 336 },
      data_format: 'channels_first',
      default_to_square: false,
      device: null,
      disable_grouping: null,
      do_center_crop: true,
      do_convert_rgb: true,
      do_normalize: true,
      do_pad: null,
      do_rescale: true,
      do_resize: true,
      image_mean: null,
      image_std: null,
      input_data_format: null,
      pad_size: null,
      resample: null,
      rescale_factor: 1 / 255,
      return_tensors: null,
    };
    expect(preprocessingOf(config)).toEqual({ ...clip, resizeTo: 336, crop: 336 });
    const nothing = Object.fromEntries(Object.keys(config).map((name) => [name, null]));
    expect(preprocessingOf({ ...nothing, image_processor_type: 'CLIPImageProcessor' })).toEqual(clip);
  });

  it('of a CLIPImageProcessor that resizes both sides before it crops is read', () => {
    const config = { image_processor_type: 'CLIPImageProcessor', size: { height: 256, width: 256 } };
    expect(preprocessingOf(config)).toEqual({ ...clip, resize: 'squash', resizeTo: 256 });
  });

  it('of ViTImageProcessor resizes bilinearly, to a square if it gives one number', () => {
    const half = [0.5, 0.5, 0.5];
    const config = { image_processor_type: 'ViTImageProcessor', size: 384, image_mean: 0.5 };
    expect(preprocessingOf(config)).toEqual({
      ...clip,
      resize: 'squash',
      resizeTo: 384,
      crop: 384,
      filter: 'bilinear',
      mean: half,
      std: half,
    });
  });

  it('is read first from processor_config.json, which transformers 5 writes', () => {
    const newer = {
      image_processor: { image_processor_type: 'CLIPImageProcessor' },
      processor_class: 'CLIPProcessor',
    };
    const older = { size: 224 };
    const read = (files: Record<string, object>) => preprocessorOf((path) => files[path] as never);
    const both = { 'processor_config.json': newer, 'preprocessor_config.json': older };
    expect(read(both)).toEqual({ file: 'processor_config.json', json: newer.image_processor });
    const legacy = { 'processor_config.json': { processor_class: 'X' }, 'preprocessor_config.json': older };
    expect(read(legacy)).toEqual({ file: 'preprocessor_config.json', json: older });
    expect(read({})).toBeUndefined();
  });

  const given = { size: 224, resample: 3, image_mean: mean, image_std: std };

  it.each([
    [{ ...given, resample: 1 }, /resample cannot be 1/],
    [{ ...given, size: { height: 224, width: 384 } }, /384 x 224/],
    [{ ...given, size: { shortest_edge: 224, longest_edge: 400 } }, /size cannot be/],
    [{ ...given, size: { max_height: 224, max_width: 224 } }, /size cannot be/],
    [{ ...given, size: 1e9 }, /size cannot be/],
    [{ ...given, do_resize: false }, /do_resize/],
    [{ ...given, do_pad: true }, /do_pad/],
    [{ ...given, do_center_crop: false }, /without do_center_crop/],
    [{ ...given, image_mean: [0.5] }, /image_mean/],
    [{ ...given, image_std: [0, 1, 1] }, /image_std/],
    [{ ...given, crop_pct: 0.875 }, /crop_pct \(0\.875\) is not supported/],
    [{ ...given, rescale_offset: true }, /rescale_offset/],
    [{ ...given, resize_mode: 'longest' }, /resize_mode/],
    [{ ...given, image_processor_type: 'ConvNextImageProcessor' }, /ConvNextImageProcessor is not supported/],
    [{ image_processor_type: 'SiglipImageProcessor', do_center_crop: true }, /has no do_center_crop/],
    [{ size: 224, crop_size: 224, resample: 3 }, /image_mean is missing/],
    [{ size: 224, crop_size: 224 }, /resample is missing/],
  ])('refuses %o by name', (config, message) => {
    expect(() => preprocessingOf(config)).toThrowError(message);
  });
});
