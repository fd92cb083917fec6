export { bundleEncoder, unbundle } from './bundle.ts';
export { chooseEncoder } from './choose.ts';
export {
  type EncodedImages,
  type EncodeFailure,
  type EncodeOptions,
  type EncodeProgress,
  encodeImages,
} from './encode.ts';
export { describeEncoder, listEncoders, removeEncoder } from './installed.ts';
export { loadEncoder } from './load.ts';
export { presetTemplates, renderPrompt, TEMPLATES, textHead } from './prompts.ts';
export { type PullOptions, type PullPlan, type PullProgress, pullEncoder } from './pull.ts';
export { registerEncoder } from './registered.ts';
export { REGISTRY, type RegisteredEncoder } from './registry.ts';
export type { CacheDefaults, Encoder } from './types.ts';
