import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { loadEncoder } from '../encoder/load.ts';
import { writeSmallEncoder } from '../encoder/small-encoder.fixture.ts';
import { roundedHead } from './class-texts.ts';

it('a class name in a script that the encoder has not learnt is a finding that says what to do', async () => {
  const folder = await writeSmallEncoder(await mkdtemp(join(tmpdir(), 'class-texts-')));
  await using encoder = await loadEncoder(folder);
  const classes = ['red', '红色'].map((name) => ({ id: name, name, promptName: name, prompts: [] }));
  const { findings } = await roundedHead(encoder, classes, ['a photo of {}.']);
  expect(findings).toEqual([
    {
      level: 'warning',
      code: 'prompts/script',
      message: expect.stringMatching(
        /^1 prompt is in a script that .* has not learnt, and it hardly helps\. .*--classes/,
      ),
      paths: ['a photo of 红色.'],
    },
  ]);
  await rm(folder, { recursive: true });
});
