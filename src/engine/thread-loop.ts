import { parentPort, workerData } from 'node:worker_threads';
import { BUSY, ENDING } from './protocol.ts';

/** Answers the messages of the program in a thread that `startThread` started, until the program ends it. `answer` never throws. */
export function serveThread<Message, Answer>(
  answer: (message: Message) => Promise<Answer>,
  buffersOf: (answer: Answer) => ArrayBuffer[],
): void {
  const state: Int32Array = workerData;
  parentPort?.on('message', async (message: Message | 'end') => {
    if (message === 'end') {
      parentPort?.close();
      return;
    }
    Atomics.add(state, BUSY, 1);
    if (Atomics.load(state, ENDING) === 0) {
      const result = await answer(message);
      parentPort?.postMessage(result, buffersOf(result));
    }
    Atomics.sub(state, BUSY, 1);
    Atomics.notify(state, BUSY);
  });
}
