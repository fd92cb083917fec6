import { createRequire } from 'node:module';
import { exp } from '../graph/elementwise.ts';
import { input } from '../graph/expression.ts';
import { toOnnx } from '../graph/onnx.ts';

/** Runs in a process of its own: computes one number on a device and tells the parent process whether that worked. */
async function probe(device: string, native: string): Promise<{ refused?: string }> {
  try {
    const ort: typeof import('onnxruntime-node') = createRequire(import.meta.url)(native);
    const session = await ort.InferenceSession.create(toOnnx({ y: exp(input('x', [1])) }), {
      executionProviders: [device],
    });
    const outputs = await session.run({ x: new ort.Tensor('float32', Float32Array.of(0), [1]) });
    const y = outputs.y?.data[0];
    return y === 1 ? {} : { refused: `it computed exp(0) = ${y}` };
  } catch (error) {
    return { refused: (error as Error).message };
  }
}

process.send?.(await probe(process.argv[2]!, process.argv[3]!), () => process.disconnect());
