import { writeFile } from 'node:fs/promises';
import { expect, it } from 'vitest';
import { threadClock } from '../../tests/thread-clock.ts';
import { fakeEncoder, picture, workspace } from '../classifier/fake-encoder.fixture.ts';
import { startStudio } from './start.ts';

const at = workspace();

it('a studio that is closed answers running requests, ends endless streams, and closes soon', async () => {
  await writeFile(at('index.html'), '');
  const studio = await startStudio({ folder: at('session'), encoder: fakeEncoder(), page: at() });
  const api = `${studio.address}/api`;
  const events = await fetch(`${api}/events`);
  const reader = events.body?.getReader();
  await reader?.read();
  // The first byte of the body is sent at once, and the rest when the studio is about to be closed.
  const cat = await picture('cat', 1);
  let send = (_: Uint8Array) => {};
  const body = new ReadableStream({
    start(controller) {
      controller.enqueue(cat.subarray(0, 1));
      send = (rest) => {
        controller.enqueue(rest);
        controller.close();
      };
    },
  });
  const kept = fetch(`${api}/pictures?name=cat.png`, { method: 'POST', body, duplex: 'half' } as RequestInit);
  await new Promise((resolve) => setTimeout(resolve, 200));
  const started = threadClock();
  const closed = studio.close();
  await new Promise((resolve) => setTimeout(resolve, 50));
  send(cat.subarray(1));
  const answer = await kept;
  expect([answer.status, await answer.json()]).toEqual([200, { name: 'cat.png', hash: expect.any(String) }]);
  await closed;
  expect(threadClock() - started).toBeLessThan(4000);
  while (!(await reader?.read())?.done);
  await expect(fetch(`${api}/board`)).rejects.toThrow();
});
