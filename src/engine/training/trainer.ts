import { ModelError } from '../../errors.ts';
import type { Tensor } from '../../math/tensor.ts';
import { allocate } from './parameter-store.ts';
import { pick } from './pick.ts';
import type { Run, StepResult, Trainer, TrainingData, TrainingSpec } from './types.ts';

/** The part of a spec that is data: everything but its expressions. */
export function dataOf({ parameters, fixed, optimiser, start, blocks }: TrainingSpec): TrainingData {
  if (!blocks) return { parameters, fixed, optimiser, start };
  const { count, perChunk, sliced, result } = blocks;
  return { parameters, fixed, optimiser, start, blocks: { count, perChunk, sliced, result } };
}

/** Trains in the thread of the runtime: each step is one run of the graph that gives the loss and its gradients. */
export function createTrainer(loss: Run, data: TrainingData): Trainer {
  const store = allocate(data);
  let step = data.start?.step ?? 0;
  return {
    async step(feeds, rate) {
      step++;
      const outputs = await loss.run(pick(loss, { ...data.fixed, ...feeds, ...store.tensors }));
      for (const name of Object.keys(data.parameters)) {
        store.update(name, outputs[`gradient.${name}`]!, step, rate);
      }
      return resultOf(outputs);
    },
    read: async () => store.read(step),
    close: () => loss.close(),
  };
}

/** Loss and observations from a step's outputs. Throws `ModelError` if the loss is not finite. */
export function resultOf(outputs: Readonly<Record<string, Tensor>>): StepResult {
  const loss = Number(outputs.loss!.data[0]);
  if (!Number.isFinite(loss)) {
    throw new ModelError(`The training loss became ${loss}`, {
      code: 'training/diverged',
      hint: 'Use a lower learning rate (--rate).',
    });
  }
  const observed = Object.entries(outputs).filter(([name]) => name.startsWith('observe.'));
  return {
    loss,
    observed: Object.fromEntries(observed.map(([name, { data }]) => [name.slice(8), Number(data[0])])),
  };
}
