import { expect, it } from 'vitest';
import { channelTo, type ThreadEvents } from './channel.ts';

it('keeps the program alive until a closed thread has ended, although the thread still answers', async () => {
  let events: ThreadEvents | undefined;
  let end = () => {};
  const holds: boolean[] = [];
  const { send, close } = channelTo((own) => {
    events = own;
    return {
      post: () => {},
      hold: (busy) => holds.push(busy),
      end: () =>
        new Promise((resolve) => {
          end = resolve;
        }),
    };
  });
  send({ kind: 'close', session: 0 }).catch(() => {});
  const closed = close();
  events?.answer({ id: 0 } as Parameters<ThreadEvents['answer']>[0]);
  end();
  await closed;
  expect(holds).toEqual([true]);
});
