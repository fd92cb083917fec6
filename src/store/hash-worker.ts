import { parentPort, workerData } from 'node:worker_threads';
import { hashPart } from './hash-part.ts';
import type { HashWork } from './hash-thread.ts';

/** The thread of `hashParts`. */
const { file, parts } = workerData as HashWork;
parentPort!.postMessage(parts.map((part) => hashPart(file, part)));
