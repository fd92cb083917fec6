import type { Answer, Request } from './protocol.ts';
import type { Platform } from './threaded-engine.ts';

/** Stands for the thread in an engine that computes in the calling thread. `answer` gets one request at a time and never throws. */
export function startHere(answer: (request: Request) => Promise<Answer>): Pick<Platform, 'start' | 'isHere'> {
  // With WebGPU, ONNX Runtime refuses a run while another is not finished.
  let before: Promise<void> = Promise.resolve();
  return {
    isHere: true,
    start: (events) => ({
      post: (request) => {
        before = before.then(async () => events.answer(await answer(request)));
      },
      end: async () => {},
    }),
  };
}
