/** The process of a worker with an encoder that only waits. */
import { serveShards } from './serve-shards.ts';
import { openWaitingWork } from './waiting-work.fixture.ts';

serveShards(openWaitingWork);
