import type { PictureInput } from './join.ts';

/** Input of an exported model: `pixels` are pictures as bytes, `pixel_values` normalised pictures, `features` embeddings. */
export type OnnxInput = PictureInput | 'features';
/** All kinds of input that an exported model can have. */
export const ONNX_INPUTS = ['pixels', 'pixel_values', 'features'] as const satisfies readonly OnnxInput[];
