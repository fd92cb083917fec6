import { availableParallelism } from 'node:os';
import { createEngine } from '../src/engine/node.ts';
import { tipAdapterF } from '../src/methods/tip-adapter-f.ts';
import { resolveOptions } from '../src/options.ts';
import { imagenetSized } from './step.ts';

/** A whole fit of Tip-Adapter-F at ImageNet's size, 16 shots, 20 epochs, from given features: time and memory. */
export async function benchWholeFit(): Promise<string[]> {
  const engine = createEngine();
  const task = imagenetSized(1024);
  const before = process.memoryUsage().rss;
  let peak = before;
  const watch = setInterval(() => {
    peak = Math.max(peak, process.memoryUsage().rss);
  }, 100);
  const start = performance.now();
  let last = 0;
  await tipAdapterF.fit(
    {
      ...task,
      engine,
      onProgress: (progress) => {
        last = progress.loss ?? last;
      },
    },
    resolveOptions(tipAdapterF.options, {}),
  );
  const seconds = (performance.now() - start) / 1000;
  clearInterval(watch);
  await engine.close();
  return [
    `Tip-Adapter-F, 16,000 keys x 1,024, 1,000 classes, 20 epochs, ${availableParallelism()} threads`,
    `  ${seconds.toFixed(0)} s; peak memory ${Math.round((peak - before) / 2 ** 20)} MiB besides the process with its features (at most 1,536)`,
    `  training loss of the last batch ${last.toFixed(3)}`,
  ];
}
