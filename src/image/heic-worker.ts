import { once } from 'node:events';
import { type MessagePort, parentPort, workerData } from 'node:worker_threads';
import libheif from 'libheif-js/wasm-bundle.js';
import type { ThreadAnswer } from './thread.ts';

/** libheif prints messages about damaged pictures, but standard output is for the program's data. */
console.log = () => {};

const port = parentPort as MessagePort;
await libheif.ready;
const pictures = new libheif.HeifDecoder().decode(workerData);
// The primary picture is the one that viewers show. It need not be the first.
const picture = pictures.find((one) => one.is_primary()) ?? pictures[0];
if (!picture) throw new Error('it contains no picture');
const [width, height] = [picture.get_width(), picture.get_height()];
port.postMessage({ width, height } satisfies ThreadAnswer);
await once(port, 'message');
const target = { width, height, data: new Uint8ClampedArray(4 * width * height) };
const decoded = await new Promise<typeof target | null>((resolve) =>
  picture.display(target, resolve as (value: { data: Uint8ClampedArray<ArrayBuffer> } | null) => void),
);
if (!decoded) throw new Error('it cannot be decoded');
const data = new Uint8Array(target.data.buffer);
port.postMessage({ width, height, data } satisfies ThreadAnswer, [data.buffer]);
