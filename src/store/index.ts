export { type FileContent, writeFileAtomic } from './atomic.ts';
export type { Progress } from './download.ts';
export {
  type CacheEntry,
  type FeatureCache,
  type FeatureCacheOptions,
  openFeatureCache,
} from './feature-cache.ts';
export { type HomePart, homeFolder } from './home.ts';
export type { Fetch, NetworkOptions } from './network.ts';
export { parseNpy } from './npy.ts';
export type { FileUse } from './regular.ts';
export {
  encodeSafetensors,
  parseSafetensors,
  type Safetensors,
  type SafetensorsEntry,
} from './safetensors.ts';
export { openSafetensors, type SafetensorsFile } from './safetensors-file.ts';
