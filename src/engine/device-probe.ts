import { createRequire } from 'node:module';
import { exp } from '../graph/elementwise.ts';
import { input } from '../graph/expression.ts';
import { toOnnx } from '../graph/onnx.ts';

/** The process that tries a device: computes one number on it and tells its parent whether that went well. */
async function probe(device: string, native: string): Promise<{ refused?: string }> {
  try {
    const ort: typeof import('onnxruntime-node') = createRequire(import.meta.url)(native);
    const session = await ort.InferenceSession.create(toOnnx({ y: exp(input('x', [1])) }), {
      executionProviders: [device],
    });
    const outputs = await session.run({ x: new ort.Tensor('float32', Float32Array.of(0), [1]) });
    const y = outputs.y?.data[0];
    return y === 1 ? {} : { refused: `it computes exp(0) = ${y}` };
  } catch (error) {
    return { refused: (error as Error).message };
  }
}

process.send?.(await probe(process.argv[2]!, process.argv[3]!), () => process.disconnect());
