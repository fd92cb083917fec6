export { localQueue } from './local-queue.ts';
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
