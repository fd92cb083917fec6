import { UsageError } from '../errors.ts';
import { type Expr, inputsOf } from '../graph/expression.ts';
import { interpret } from '../graph/interpret.ts';
import type { DType, Tensor } from '../math/tensor.ts';
import { noFiles } from './keys/types.ts';
import type { Run } from './training/types.ts';
import type { Engine, Session } from './types.ts';

/**
 * An engine without ONNX Runtime: the interpreter, which computes in float64. It suits small problems, tests, and callers that
 * bring matrices of their own. `load` throws `UsageError`, because the interpreter cannot run model files.
 */
export function interpreterEngine(): Engine {
  return {
    load: async () => {
      throw new UsageError('The interpreter runs only graphs of this library, not model files', {
        code: 'engine/plain',
      });
    },
    compile: async (outputs) => interpreterSession(outputs),
    train: async (spec) => {
      const { createShard, createShardedTrainer, createTrainer, dataOf, planTraining } = await import(
        './training/index.ts'
      );
      const { loss, blocks } = planTraining(spec);
      const data = dataOf(spec);
      if (!blocks) return createTrainer(interpreterRun(loss), data);
      const shard = await createShard(blocks, data, async (graph) => interpreterRun(graph));
      return createShardedTrainer(interpreterRun(loss), [shard], data);
    },
    openKeys: noFiles,
    close: async () => {},
  };
}

function interpreterRun(outputs: Readonly<Record<string, Expr>>): Run {
  const { inputs, run, close } = interpreterSession(outputs);
  return { inputs: inputs.map(({ name }) => name), run: (feeds) => run(feeds), close };
}

function interpreterSession<Name extends string>(outputs: Readonly<Record<Name, Expr>>): Session<Name> {
  let kept: Record<string, Tensor> = {};
  const port = ([name, { shape, dtype }]: [string, Expr]) => ({ name, dtype, shape });
  const exprs: Readonly<Record<string, Expr>> = outputs;
  const inputs = inputsOf(Object.values(exprs));
  return {
    inputs: inputs.map((expr) => port([expr.attributes.name, expr])),
    outputs: Object.entries(exprs).map(port),
    run: async (feeds, { outputs: wanted = Object.keys(exprs) } = {}) => {
      const asked = Object.fromEntries(wanted.map((name) => [name, exprs[name]!]));
      const values = interpret(asked, { ...kept, ...feeds });
      const entries = Object.entries(values).map(([name, { shape, data }]) => [
        name,
        tensorOf(asked[name]!.dtype, shape, data),
      ]);
      return Object.fromEntries(entries);
    },
    keep: async (feeds) => {
      kept = { ...kept, ...feeds };
    },
    close: async () => {},
  };
}

function tensorOf(dtype: DType, shape: readonly number[], data: Float64Array): Tensor {
  if (dtype === 'int64') return { dtype, shape, data: BigInt64Array.from(data, (x) => BigInt(x)) };
  if (dtype === 'bool') return { dtype, shape, data: Uint8Array.from(data) };
  return { dtype: 'float32', shape, data: Float32Array.from(data) };
}
