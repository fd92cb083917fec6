import { type Abortable, waitFor } from '../abort.ts';
import type { FeaturePart } from '../dataset/row-blocks.ts';
import { type NodeThread, startThread } from '../engine/node-thread.ts';
import type { Engine } from '../engine/types.ts';
import { ModelError } from '../errors.ts';
import { errorOf } from '../failure.ts';
import { selectRows } from '../math/matrix.ts';
import { addSums } from '../methods/merge-summaries.ts';
import { EXTENSION } from '../own-programs.ts';
import { createCollection } from './left-out-rows.ts';
import type { PlacedSums, RowSums, Summing } from './row-sum.ts';
import type { Answer, Message } from './sum-protocol.ts';

const PROGRAM = new URL(`./sum-worker${EXTENSION}`, import.meta.url);

/** Blocks that a thread has at a time: it computes with one while the next one arrives. */
const BLOCKS = 2;

/**
 * Sums up the rows of parts on threads. This thread only reads. It gives blocks to the other threads in turn, and each of them computes on
 * one core. Such threads do not wait for one another, unlike the threads that share a product.
 */
export async function sumOnThreads(
  summing: Summing,
  parts: readonly FeaturePart[],
  threads: number,
  { engine, signal, onRows }: Abortable & { engine?: Engine; onRows?(done: number): void },
): Promise<RowSums> {
  // The engine tells its caller once which build computes, whatever the number of threads.
  const native = engine?.native && (await waitFor(engine.native(), signal));
  const onRefused = (reason: string) => void engine?.native?.(new Error(reason));
  const all = Array.from({ length: threads }, () => new SumThread(summing, native, onRefused));
  try {
    const spare: ArrayBuffer[] = [];
    let next = 0;
    let done = 0;
    for (const part of parts) {
      for await (const block of part.blocks({ signal, spare })) {
        const rows = block.labels.length;
        const thread = all[next++ % threads]!;
        await waitFor(thread.hasRoom(), signal);
        thread.ask({ kind: 'block', block }, [block.numbers.data.buffer as ArrayBuffer], (answer) => {
          if (answer.kind === 'added') spare.push(answer.buffer);
          done += rows;
          onRows?.(done);
        });
      }
    }
    return await waitFor(together(all, summing.what.task.dimension), signal);
  } finally {
    await Promise.all(all.map((thread) => thread.close()));
  }
}

/** The sums of all threads. The left-out rows have the order of their places, which does not depend on the number of threads. */
async function together(all: readonly SumThread[], dimension: number): Promise<RowSums> {
  const results = await Promise.all(all.map((thread) => thread.result()));
  const collection = createCollection(dimension);
  for (const { left } of results) collection.add(left);
  const { rows, labels } = collection.samples();
  const places = results.flatMap(({ left }) => [...left.places]);
  const order = [...places.keys()].sort((a, b) => places[a]! - places[b]!);
  return {
    sums: results.map(({ sums }) => sums).reduce(addSums),
    left: { rows: selectRows(rows, order), labels: Int32Array.from(order, (i) => labels[i]!) },
  };
}

class SumThread {
  readonly #thread: NodeThread<Message>;
  readonly #waiting: ((answer: Answer) => void)[] = [];
  #failed?: Error;
  #isOver = false;
  #changed = () => {};

  constructor(
    { form: _, ...summing }: Summing,
    native: string | undefined,
    onRefused: (reason: string) => void,
  ) {
    this.#thread = startThread<Message, Answer>(PROGRAM, {
      answer: (answer) => {
        if (answer.refused !== undefined) onRefused(answer.refused);
        if (answer.kind === 'failure') this.#failed ??= errorOf(answer.error);
        else this.#waiting.shift()?.(answer);
        this.#changed();
      },
      died: (reason, outOfMemory) => {
        this.#isOver = true;
        this.#failed ??= new ModelError(`A thread that sums up features stopped: ${reason}`, {
          code: outOfMemory ? 'engine/memory' : 'engine/stopped',
          hint: 'Try again, on a machine with more memory if it is out of it.',
        });
        this.#changed();
      },
    });
    const { task, options, basis } = summing.what;
    const { classes, dimension } = task;
    // The signal and functions of the task stay here.
    const what = { task: { classes, dimension }, options, basis };
    this.ask({ kind: 'begin', native, ...summing, what }, [], () => {});
  }

  ask(message: Message, transfer: readonly ArrayBuffer[], answered: (answer: Answer) => void): void {
    this.#waiting.push(answered);
    this.#thread.post(message, transfer);
  }

  /** Waits until the thread has few enough blocks. Throws the thread's error if it has failed. */
  async hasRoom(): Promise<void> {
    while (!this.#failed && this.#waiting.length >= BLOCKS) await this.#change();
    if (this.#failed) throw this.#failed;
  }

  async result(): Promise<PlacedSums> {
    let result: PlacedSums | undefined;
    this.ask({ kind: 'end' }, [], (answer) => {
      if (answer.kind === 'sums') result = answer;
    });
    while (!this.#failed && !result) await this.#change();
    if (!result) throw this.#failed;
    return result;
  }

  async close(): Promise<void> {
    if (!this.#isOver) await this.#thread.end();
  }

  #change(): Promise<void> {
    return new Promise((resolve) => {
      this.#changed = resolve;
    });
  }
}
