/** The modules that an engine imports when a training begins. A page that only predicts does not load them. */
export { planTraining } from './plan.ts';
export { createShard } from './shard.ts';
export { createShardedTrainer } from './sharded.ts';
export { shardOn, trainOn } from './threaded.ts';
export { createTrainer, dataOf } from './trainer.ts';
