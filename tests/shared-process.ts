/** For the test files that share a process: it takes back what they may change in it, and fails a file that leaves anything else behind. */
import { afterAll, expect, vi } from 'vitest';
import '../src/engine/node.ts';
import { setSharedEngine, sharedEngine } from '../src/engine/shared.ts';

// All classifiers share their decoding processes.
vi.mock('../src/image/loader.ts', async (original) =>
  (await import('../src/classifier/fake-encoder.fixture.ts')).sharedDecoders(original),
);

const engine = sharedEngine();
const environment = process.env;

/** What is one for the whole process. Libraries set two variables when they are loaded. */
const state = () => {
  const { VIPSHOME, ORT_DISABLE_TELEMETRY, ...variables } = process.env;
  return { variables, folder: process.cwd() };
};
const before = state();

afterAll(() => {
  setSharedEngine(engine);
  vi.unstubAllEnvs();
  vi.unstubAllGlobals();
  vi.restoreAllMocks();
  vi.useRealTimers();
  expect(process.env).toBe(environment);
  expect(state()).toEqual(before);
});
