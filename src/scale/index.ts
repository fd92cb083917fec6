export { type BullQueueOptions, openBullQueue } from './bull-queue.ts';
export { type EmbedOptions, type EmbedSummary, embed } from './embed.ts';
export { type EmbedValues, embedOptions } from './embed-options.ts';
export { type EmbedTextsOptions, embedTexts } from './embed-texts.ts';
export { localQueue } from './local-queue.ts';
export { openWork } from './open-work.ts';
export type { RedisSettings } from './redis-settings.ts';
export { runWork } from './run-work.ts';
export { sumRowsOn } from './summary-work.ts';
export type {
  Json,
  Queue,
  RunProgress,
  RunSummary,
  Shard,
  ShardOutcome,
  Work,
  WorkDescription,
} from './work.ts';
