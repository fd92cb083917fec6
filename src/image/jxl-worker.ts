import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { type MessagePort, parentPort, workerData } from 'node:worker_threads';
import { initSync, JxlImage } from 'jxl-oxide-wasm';
import type { ThreadAnswer } from './thread.ts';

const port = parentPort as MessagePort;
initSync({ module: readFileSync(fileURLToPath(import.meta.resolve('jxl-oxide-wasm/module.wasm'))) });
const picture = new JxlImage();
picture.forceSrgb = true;
picture.feedBytes(workerData);
if (!picture.tryInit()) throw new Error('it ends too early');
const { width = 0, height = 0 } = picture;
port.postMessage({ width, height } satisfies ThreadAnswer);
await once(port, 'message');
if (!picture.loaded) throw new Error('it ends too early');
const data = picture.render(0).encodeToPng();
port.postMessage({ width, height, data } satisfies ThreadAnswer, [data.buffer as ArrayBuffer]);
