export { DEVICES, type Device, type EngineOptions } from './device.ts';
export { interpreterEngine } from './interpreter-engine.ts';
export type { KeyCache, KeyFile } from './keys/types.ts';
export { createEngine, examineDevices } from './node.ts';
export { setSharedEngine, sharedEngine } from './shared.ts';
export { type AdamSettings, type Optimiser, referenceUpdate } from './training/optimiser.ts';
export { constantRate, cosineRate, type Schedule } from './training/schedule.ts';
export type { Blocks, StepResult, Trainer, TrainingSpec, TrainingState } from './training/types.ts';
export type { Engine, PortInfo, RunOptions, Session, WeightFiles } from './types.ts';
