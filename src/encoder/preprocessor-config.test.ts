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

  const half = [0.5, 0.5, 0.5];
  const imagenet = { mean: [0.485, 0.456, 0.406], std: [0.229, 0.224, 0.225] };
  const stated = { image_mean: [0.485, 0.456, 0.406], image_std: [0.229, 0.224, 0.225] };

  // The expected values follow the source of transformers 4.56.
  it.each([
    ['BitImageProcessor', { size: { shortest_edge: 256 }, ...stated }, { resizeTo: 256, ...imagenet }],
    ['ChineseCLIPFeatureExtractor', {}, {}],
    ['DINOv3ViTImageProcessorFast', {}, { resize: 'squash', filter: 'bilinear', ...imagenet }],
    ['BlipImageProcessor', {}, { resize: 'squash', resizeTo: 384, crop: 384 }],
    ['DeiTImageProcessor', {}, { resize: 'squash', resizeTo: 256, mean: half, std: half }],
    ['ConvNextImageProcessor', {}, { resize: 'squash', resizeTo: 384, crop: 384, mean: half, std: half }],
    [
      'ConvNextFeatureExtractor',
      { size: 224, crop_pct: null, resample: 2, ...stated },
      { resizeTo: 256, filter: 'bilinear', ...imagenet },
    ],
    [
      'EfficientNetImageProcessor',
      {
        size: { height: 289, width: 289 },
        do_center_crop: true,
        do_normalize: false,
        include_top: false,
        resample: 2,
        rescale_factor: 1 / 127.5,
        rescale_offset: true,
      },
      {
        resize: 'squash',
        resizeTo: 289,
        crop: 289,
        filter: 'bilinear',
        scale: 1 / 127.5,
        mean: [1, 1, 1],
        std: [1, 1, 1],
      },
    ],
    ['CLIPImageProcessor', { size: 224, crop_size: 256 }, { crop: 256 }],
    [
      'JinaCLIPImageProcessor',
      { size: 224, resample: 3, resize_mode: 'longest', mean, std },
      { resize: 'longest' },
    ],
  ])('of %s with %o is read', (type, config, expected) => {
    expect(preprocessingOf({ image_processor_type: type, ...config })).toEqual({ ...clip, ...expected });
  });

  it("of open_clip's preprocess_cfg.json has its defaults", () => {
    const read = (cfg: object) => {
      const { json, file } = preprocessorOf(
        (path) => (path === 'preprocess_cfg.json' ? cfg : undefined) as never,
      )!;
      return preprocessingOf(json, file);
    };
    expect(read({})).toEqual(clip);
    const squash = {
      size: [256, 256],
      mode: 'RGB',
      mean: half,
      std: half,
      resize_mode: 'squash',
      fill_color: 0,
    };
    expect(read(squash)).toEqual({
      ...clip,
      resize: 'squash',
      resizeTo: 256,
      crop: 256,
      mean: half,
      std: half,
    });
    expect(() => read({ size: [256, 192] })).toThrow(
      'preprocess_cfg.json cannot be used: the input is 192 x 256',
    );
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
    [{ ...given, crop_pct: 0.875 }, /an image processor has no crop_pct/],
    [{ ...given, do_center_crop: true, rescale_offset: true }, /has no rescale_offset/],
    [{ ...given, resize_mode: 'longest', fill_color: 128 }, /fill_color/],
    [
      { ...given, do_center_crop: true, image_processor_type: 'EfficientNetImageProcessor' },
      /include_top is not false/,
    ],
    [{ ...given, resize_mode: 'largest' }, /resize_mode/],
    [{ ...given, image_processor_type: 'Siglip2ImageProcessor' }, /Siglip2ImageProcessor is not supported/],
    [{ image_processor_type: 'SiglipImageProcessor', do_center_crop: true }, /has no do_center_crop/],
    [{ size: 224, crop_size: 224, resample: 3 }, /image_mean is missing/],
    [{ size: 224, crop_size: 224 }, /resample is missing/],
  ])('refuses %o by name', (config, message) => {
    expect(() => preprocessingOf(config)).toThrowError(message);
  });
});
