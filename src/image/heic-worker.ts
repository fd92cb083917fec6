import { once } from 'node:events';
import { type MessagePort, parentPort, workerData } from 'node:worker_threads';
import heic from 'heic-decode';
import type { HeicAnswer } from './heic.ts';

/** libheif prints messages about damaged pictures, but standard output is for the program's data. */
console.log = () => {};

const port = parentPort as MessagePort;
const [first] = await heic.all({ buffer: workerData });
if (!first) throw new Error('it contains no picture');
port.postMessage({ width: first.width, height: first.height } satisfies HeicAnswer);
await once(port, 'message');
const { width, height, data: rgba } = await first.decode();
const data = new Uint8Array(rgba.buffer as ArrayBuffer, rgba.byteOffset, rgba.byteLength);
port.postMessage({ width, height, data } satisfies HeicAnswer, [data.buffer]);
