export { writeFileAtomic } from './atomic.ts';
export { type FeatureCache, openFeatureCache } from './feature-cache.ts';
export { homeFolder } from './home.ts';
export { parseNpy } from './npy.ts';
export { encodeSafetensors, openSafetensors, parseSafetensors, type Safetensors } from './safetensors.ts';
