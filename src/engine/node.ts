import { availableParallelism } from 'node:os';
import { extname } from 'node:path';
import { Worker } from 'node:worker_threads';
import { onAbort } from '../abort.ts';
import { InterruptedError, ModelError } from '../errors.ts';
import { toOnnx } from '../graph/onnx.ts';
import type { Tensor } from '../math/tensor.ts';
import type { Answer, Request } from './protocol.ts';
import { mapPlan, planTraining } from './training/plan.ts';
import { dataOf } from './training/trainer.ts';
import type { StepResult, Trainer, TrainingSpec, TrainingState } from './training/types.ts';
import type { Engine, PortInfo, RunOptions, Session } from './types.ts';

type Body<R> = R extends Request ? Omit<R, 'id'> : never;

const EXTENSION = extname(import.meta.url);

/** A program's own flags are not for its threads (`--input-type` would end them), but TypeScript needs its loader. */
const FLAGS = EXTENSION === '.ts' ? undefined : [];

/**
 * Reserved, not used: ONNX Runtime 1.30 on Linux matches a regular expression against the program's whole command line when
 * its first session is made, and recurses about 270 bytes for each character. `predict model.safetensors *.jpg` with a few
 * hundred photos overflows a thread's usual 4 MB and ends the process; this holds the longest command line there can be.
 */
const STACK_MB = 600;

interface Pending {
  resolve(answer: Answer): void;
  reject(error: Error): void;
}

/**
 * An engine on ONNX Runtime's CPU provider, in a worker thread that starts at the first use and never keeps a program
 * alive. `threads` is the number of cores one product may use (default: all). A worker that dies rejects what was running
 * and is replaced: sessions load themselves again at their next use.
 */
export function createEngine({ threads = availableParallelism() }: { threads?: number } = {}): Engine {
  let worker: Worker | undefined;
  let generation = 0;
  let serial = 0;
  const pending = new Map<number, Pending>();

  function fail(reason: string): void {
    worker = undefined;
    generation++;
    const error = new ModelError(`The engine stopped: ${reason}`, {
      code: 'engine/stopped',
      hint: 'The model may need more memory than there is. The program can go on; the failed step can be tried again.',
    });
    for (const { reject } of pending.values()) reject(error);
    pending.clear();
  }

  function start(): Worker {
    const thread = new Worker(new URL(`./worker${EXTENSION}`, import.meta.url), {
      execArgv: FLAGS,
      resourceLimits: { stackSizeMb: STACK_MB },
    });
    thread.on('message', (answer: Answer) => {
      const waiting = pending.get(answer.id);
      pending.delete(answer.id);
      if (pending.size === 0) thread.unref();
      if ('error' in answer) {
        const { error, code = 'engine/runtime', hint } = answer;
        waiting?.reject(new ModelError(error, { code, hint }));
      } else waiting?.resolve(answer);
    });
    thread.on('error', (error) => worker === thread && fail(error.message));
    thread.on('exit', (code) => worker === thread && fail(`its thread ended with status ${code}`));
    return thread;
  }

  function send(
    request: Body<Request>,
    transfer: readonly ArrayBuffer[] = [],
    signal?: AbortSignal,
  ): Promise<Answer> {
    if (signal?.aborted) return Promise.reject(new InterruptedError());
    worker ??= start();
    const thread = worker;
    return new Promise<Answer>((resolve, reject) => {
      const id = serial++;
      const stop = () => {
        pending.delete(id);
        if (pending.size === 0) thread.unref();
        reject(new InterruptedError());
      };
      const done = onAbort(signal, stop);
      pending.set(id, {
        resolve: (answer) => {
          done();
          resolve(answer);
        },
        reject: (error) => {
          done();
          reject(error);
        },
      });
      thread.ref();
      thread.postMessage({ ...request, id }, transfer as ArrayBuffer[]);
    });
  }

  async function load(model: Uint8Array | string): Promise<Session> {
    const session = serial++;
    let kept: Record<string, Tensor> = {};
    let loaded = -1;
    let ports: { inputs: PortInfo[]; outputs: PortInfo[] } | undefined;

    async function ready(): Promise<void> {
      if (loaded === generation && worker) return;
      const answer = await send({ kind: 'load', session, model, threads });
      if ('ports' in answer) ports = answer.ports;
      loaded = generation;
      if (Object.keys(kept).length > 0) await send({ kind: 'keep', session, feeds: kept });
    }

    await ready();
    const { inputs, outputs } = ports as { inputs: PortInfo[]; outputs: PortInfo[] };
    return {
      inputs,
      outputs,
      run: async (feeds, { outputs: wanted, signal, transfer = [] }: RunOptions = {}) => {
        await ready();
        const own = detach(feeds);
        const request = { kind: 'run', session, feeds: own.feeds, outputs: wanted } as const;
        const answer = await send(request, [...transfer, ...own.buffers], signal);
        return 'tensors' in answer ? answer.tensors : {};
      },
      keep: async (feeds) => {
        kept = { ...kept, ...feeds };
        await ready();
        await send({ kind: 'keep', session, feeds });
      },
      close: async () => {
        if (loaded === generation && worker) await send({ kind: 'close', session });
      },
    };
  }

  async function train(spec: TrainingSpec, signal?: AbortSignal): Promise<Trainer> {
    const trainer = serial++;
    const plan = mapPlan(planTraining(spec), (graph) => toOnnx(graph));
    await send({ kind: 'train', trainer, plan, data: dataOf(spec), threads }, [], signal);
    return {
      step: async (feeds, rate) => {
        const own = detach(feeds);
        const answer = await send(
          { kind: 'train-step', trainer, feeds: own.feeds, rate },
          own.buffers,
          signal,
        );
        return (answer as { result: StepResult }).result;
      },
      read: async () => ((await send({ kind: 'train-read', trainer })) as { state: TrainingState }).state,
      close: async () => {
        if (worker) await send({ kind: 'train-close', trainer });
      },
    };
  }

  return {
    load,
    compile: (outputs) => load(toOnnx(outputs)),
    train,
    close: async () => {
      const thread = worker;
      if (!thread) return;
      fail('it was closed');
      await thread.terminate();
    },
  };
}

/** A view on part of a buffer would be sent with the whole of it: such parts are copied out, and the copies handed over. */
function detach(feeds: Readonly<Record<string, Tensor>>): {
  feeds: Record<string, Tensor>;
  buffers: ArrayBuffer[];
} {
  const buffers: ArrayBuffer[] = [];
  const own = Object.entries(feeds).map(([name, tensor]): [string, Tensor] => {
    if (tensor.data.byteLength === tensor.data.buffer.byteLength) return [name, tensor];
    const data = tensor.data.slice();
    buffers.push(data.buffer as ArrayBuffer);
    return [name, { ...tensor, data }];
  });
  return { feeds: Object.fromEntries(own), buffers };
}

let shared: Engine | undefined;

/** The engine that everything in a program shares. */
export function sharedEngine(): Engine {
  shared ??= createEngine();
  return shared;
}
