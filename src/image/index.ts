export type { Region } from './crop.ts';
export { decode, thumbnail } from './decode.ts';
export { isImagePath } from './image-paths.ts';
export { createImageLoader, type ImageLoader, type LoaderOptions, type LoadRequest } from './loader.ts';
export { cropView, normalize } from './preprocess.ts';
export { type Box, type Filter, type Raster, resizeToRgb } from './resize.ts';
export type { DecodeOptions, Pixels, Preprocessing, Shares, View } from './types.ts';
