import { createHash } from 'node:crypto';
import fc from 'fast-check';
import { expect, it } from 'vitest';
import { createSha256, portableSha256 } from './sha256.ts';

it('is that of Node, for any bytes in any pieces', () => {
  fc.assert(
    fc.property(
      fc.array(fc.uint8Array({ maxLength: 200 }), { maxLength: 6 }),
      fc.string({ unit: 'binary' }),
      (pieces, text) => {
        const [wanted, ours, portable] = [createHash('sha256'), createSha256(), portableSha256()];
        for (const piece of [...pieces, text])
          for (const hash of [wanted, ours, portable]) hash.update(piece as Uint8Array);
        const hex = wanted.digest('hex');
        expect([ours.digest('hex'), portable.digest('hex')]).toEqual([hex, hex]);
      },
    ),
  );
});

it('is right for a message of the length that needs another block for its length', () => {
  for (const length of [0, 55, 56, 63, 64, 119, 120, 1_000_000]) {
    const bytes = new Uint8Array(length).fill(7);
    expect(portableSha256().update(bytes).digest('hex')).toBe(
      createHash('sha256').update(bytes).digest('hex'),
    );
  }
});
