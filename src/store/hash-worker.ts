import { closeSync, constants, fstatSync, openSync } from 'node:fs';
import { parentPort, workerData } from 'node:worker_threads';
import { hashPart } from './hash-part.ts';
import type { HashWork } from './hash-thread.ts';
import { fileIdentity } from './regular.ts';

/** The thread of `hashParts`. */
const { path, identity, parts } = workerData as HashWork;
// Without O_NONBLOCK, opening a pipe that took the file's name would wait for a writer.
const file = openSync(path, constants.O_RDONLY | (constants.O_NONBLOCK ?? 0));
try {
  const isSame = fileIdentity(fstatSync(file)) === identity;
  parentPort!.postMessage(parts.map((part) => (isSame ? hashPart(file, part) : undefined)));
} finally {
  closeSync(file);
}
