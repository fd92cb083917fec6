import { expect, it } from 'vitest';
import { deadlineOf } from './deadline.ts';

it("a client can shorten the server's deadline, but not extend it", () => {
  expect([undefined, '50', '5000'].map((asked) => deadlineOf(asked, 1000))).toEqual([1000, 50, 1000]);
  for (const asked of ['0', '-1', '1.5', 'soon'])
    expect(() => deadlineOf(asked, 1000)).toThrow(
      expect.objectContaining({ code: 'server/deadline-header' }),
    );
});
