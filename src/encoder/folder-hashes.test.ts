import { mkdtemp, readFile, rm, utimes, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import { sha256 } from '../sha256.ts';
import { hashedFiles } from './folder-hashes.ts';

let root: string;
beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), 'hashes-'));
  vi.stubEnv('TIP_ADAPTER_HOME', join(root, 'home'));
  await writeFile(join(root, 'a.onnx'), 'first');
});
afterEach(async () => {
  vi.unstubAllEnvs();
  await rm(root, { recursive: true });
});

const table = () => join(root, 'home/encoders/.folder-hashes.json');
const hashOf = async () => (await hashedFiles(root, ['a.onnx']))[0]!.sha256;

it('a file is hashed again only after a change, also one that keeps its size and time', async () => {
  expect(await hashOf()).toBe(sha256('first'));
  const made = JSON.parse(await readFile(table(), 'utf8'));
  const [path] = Object.keys(made);
  await writeFile(table(), JSON.stringify({ [path!]: [made[path!][0], '1'.repeat(64)] }));
  expect(await hashOf()).toBe('1'.repeat(64));
  await writeFile(join(root, 'a.onnx'), 'other');
  await utimes(join(root, 'a.onnx'), 0, 0);
  expect(await hashOf()).toBe(sha256('other'));
});

it.each(['', '{', '[]', '{"a": 1}'])('a damaged table (%j) is made again', async (text) => {
  await hashOf();
  await writeFile(table(), text);
  expect(await hashOf()).toBe(sha256('first'));
  expect(await readFile(table(), 'utf8')).toContain(sha256('first'));
});

it('a file that is not there is an error', async () => {
  await expect(hashedFiles(root, ['b.onnx'])).rejects.toMatchObject({
    code: expect.stringMatching(/^checksum\//),
  });
});
