export { createEngine, sharedEngine } from './node.ts';
export type { Engine, PortInfo, RunOptions, Session } from './types.ts';
