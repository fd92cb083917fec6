/** What an engine imports when a training begins, so that a page that only predicts does not load it. */
export { mapPlan, planTraining } from './plan.ts';
export { createShard } from './shard.ts';
export { createShardedTrainer, shardData } from './sharded.ts';
export { createTrainer, dataOf } from './trainer.ts';
