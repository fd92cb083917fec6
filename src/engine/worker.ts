import { openFile } from './keys/node.ts';
import { backendFor } from './node-backend.ts';
import { buffersOf, createRequestHandler } from './request-handler.ts';
import { serveThread } from './thread-loop.ts';

/**
 * The thread that owns ONNX Runtime. `session.run()` computes on the calling thread, so calling it from the program's main thread
 * would block the event loop.
 */
const answer = createRequestHandler(backendFor, openFile);

serveThread(answer, buffersOf);
