export { type Unbundled, unbundle } from './bundle.ts';
export { type ChooseOptions, chooseEncoder, type EncoderChoice } from './choose.ts';
export type { ClipPart } from './clip-parts.ts';
export { describeEncoder, type EncoderDescription } from './describe.ts';
export {
  type EncodableImage,
  type EncodedImages,
  type EncodeFailure,
  type EncodeOptions,
  type EncodeProgress,
  encodeImages,
} from './encode.ts';
export type { EncodeTextsOptions } from './encode-texts.ts';
export { type LocalEncoder, listEncoders, removeEncoder } from './installed.ts';
export { joinEncoders } from './joined.ts';
export { type LoadOptions, loadEncoder } from './load.ts';
export type { Precision, TowerPrecision } from './precision.ts';
export {
  type CutPrompt,
  type MisreadPrompts,
  type PromptedClass,
  presetTemplates,
  renderPrompt,
  TEMPLATES,
  textHead,
} from './prompts.ts';
export { type PullOptions, type PullPlan, type PullProgress, pullEncoder } from './pull.ts';
export type { EncoderRecord, FineTuning, PairRecord, VisionRecord } from './record.ts';
export { registerEncoder } from './registered.ts';
export { REGISTRY, type RegisteredEncoder } from './registry.ts';
export type { CacheDefaults, Encoder, Joined, JoinedPart, StoredFeature, TextLength } from './types.ts';
export { bundleEncoder } from './write-bundle.ts';
