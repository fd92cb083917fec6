export { createEngine, sharedEngine } from './node.ts';
export { plainEngine } from './plain.ts';
export type { Engine, PortInfo, RunOptions, Session } from './types.ts';
