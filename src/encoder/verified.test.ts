import { createHash } from 'node:crypto';
import { mkdtemp, rm, stat, utimes, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it, vi } from 'vitest';
import { checkFile } from '../store/checksum.ts';
import type { LocalEncoder } from './installed.ts';
import { verifyFiles } from './verified.ts';

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'verified-'));
});
afterAll(() => rm(folder, { recursive: true }));

it('hashes weights once, and again after a change', async () => {
  const weights = join(folder, 'model.onnx');
  const [right, wrong] = ['the weights', 'some others'];
  await writeFile(weights, right);
  const files = [
    { path: 'model.onnx', bytes: right.length, sha256: createHash('sha256').update(right).digest('hex') },
  ];
  const encoder = { record: { kind: 'resnet50-minilm', files }, folder } as unknown as LocalEncoder;
  const check = vi.fn(checkFile);
  await verifyFiles(encoder, { check });
  await verifyFiles(encoder, { check });
  expect(check).toHaveBeenCalledTimes(1);

  // The changed file has the same size and the same time of its last change.
  const { atime, mtime } = await stat(weights);
  await writeFile(weights, wrong);
  await utimes(weights, atime, mtime);
  await expect(verifyFiles(encoder, { check })).rejects.toMatchObject({
    code: 'checksum/mismatch',
    message: expect.stringContaining('model.onnx is not the expected file'),
  });
  await rm(weights);
  await expect(verifyFiles(encoder, { check })).rejects.toMatchObject({ exitCode: 4 });
});

it('hashes again if its notes cannot be read', async () => {
  await writeFile(join(folder, '.verified.json'), 'null');
  const encoder = { record: { files: [] }, folder } as unknown as LocalEncoder;
  await expect(verifyFiles(encoder)).resolves.toBeUndefined();
});
