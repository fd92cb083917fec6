import type { PictureInput } from './join.ts';

/** What an exported model is fed: pictures as bytes, pictures normalised, or embeddings. */
export type OnnxInput = PictureInput | 'features';
/** Every kind of input that an exported model can have. */
export const ONNX_INPUTS = ['pixels', 'pixel_values', 'features'] as const satisfies readonly OnnxInput[];
