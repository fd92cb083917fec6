import type { Answer, Request } from './protocol.ts';
import { buffersOf, createRequestHandler } from './request-handler.ts';
import { webBackend } from './web-backend.ts';

declare const self: {
  onmessage: (event: { data: Request }) => void;
  postMessage(message: Answer, transfer: readonly ArrayBuffer[]): void;
};

/** The page's thread that owns onnxruntime-web. */
const answer = createRequestHandler((settings) => webBackend(settings));

self.onmessage = async ({ data }) => {
  const result = await answer(data);
  self.postMessage(result, buffersOf(result));
};
