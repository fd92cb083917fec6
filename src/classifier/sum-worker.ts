import { unitBlock } from '../dataset/row-blocks.ts';
import { createEngineHere } from '../engine/node-here.ts';
import { serveThread } from '../engine/thread-loop.ts';
import { failureOf } from '../failure.ts';
import { type Products, withProducts } from '../linalg/matrix-products.ts';
import { UnitRows } from '../linalg/unit-rows.ts';
import { methodById } from '../methods/list.ts';
import { sumFormOf } from '../methods/summarise.ts';
import { createRowSum } from './row-sum.ts';
import { type Answer, buffersOf, type Message } from './sum-protocol.ts';

// A thread that sums up blocks of rows on one core.

const units = new UnitRows();
let sum: ReturnType<typeof createRowSum>;
let refused: string | undefined;

/** Products for as long as the thread runs. */
function productsBy(native: string | undefined): Promise<Products> {
  const engine = createEngineHere(native, ({ message }) => {
    refused = message;
  });
  return new Promise((resolve) => {
    void withProducts(engine, (made) => {
      resolve(made);
      return new Promise<never>(() => {});
    });
  });
}

async function answer(message: Message): Promise<Answer> {
  switch (message.kind) {
    case 'begin': {
      const form = sumFormOf(methodById(message.method), message.what.options, message.pass);
      sum = createRowSum({ ...message, form }, await productsBy(message.native));
      return { kind: 'begun' };
    }
    case 'block':
      await sum.add(unitBlock(message.block, units));
      return { kind: 'added', buffer: message.block.numbers.data.buffer as ArrayBuffer };
    case 'end':
      return { kind: 'sums', ...(await sum.result()) };
  }
}

/** Messages arrive while one is answered. */
let before: Promise<unknown> = Promise.resolve();

serveThread<Message, Answer>((message) => {
  const own = before
    .then(() => answer(message))
    .catch((error) => ({ kind: 'failure', error: failureOf(error) }) as const)
    .then((result): Answer => {
      const news = refused;
      refused = undefined;
      return { ...result, refused: news };
    });
  before = own;
  return own;
}, buffersOf);
