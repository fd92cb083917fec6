/** The modules that an engine imports when a training begins. A page that only predicts does not load them. */
export { mapPlan, planTraining } from './plan.ts';
export { createShard } from './shard.ts';
export { createShardedTrainer, shardData } from './sharded.ts';
export { createTrainer, dataOf } from './trainer.ts';
