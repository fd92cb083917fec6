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

/** Libraries set two variables when they are loaded. */
const variables = () => {
  const { VIPSHOME, ORT_DISABLE_TELEMETRY, ...others } = process.env;
  return others;
};
const before = variables();
const folder = process.cwd();

afterAll(() => {
  setSharedEngine(engine);
  vi.unstubAllEnvs();
  vi.unstubAllGlobals();
  vi.restoreAllMocks();
  vi.useRealTimers();
  expect(process.env === environment, 'process.env itself').toBe(true);
  const after = variables();
  const changed = Object.keys({ ...before, ...after }).filter((name) => after[name] !== before[name]);
  // Only names are printed, because values may be secret.
  expect(changed, 'variables left changed').toEqual([]);
  expect(process.cwd()).toBe(folder);
});
