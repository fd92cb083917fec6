import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterEach, beforeEach, expect } from 'vitest';
import type { Dataset } from './types.ts';

/** A file's name, or its name and content (default: the name, because pictures are only listed). `/` at the end makes a folder. */
export type Content = string | readonly [string, string | Uint8Array];

/** A temporary folder for each test. */
export function ownFolder(): { root: string; write(...content: Content[]): Promise<void> } {
  const own = {
    root: '',
    async write(...content: Content[]) {
      for (const entry of content) {
        const [name, bytes] = typeof entry === 'string' ? [entry, entry] : entry;
        const path = join(own.root, name);
        await mkdir(name.endsWith('/') ? path : dirname(path), { recursive: true });
        if (!name.endsWith('/')) await writeFile(path, bytes);
      }
    },
  };
  beforeEach(async () => {
    own.root = await mkdtemp(join(tmpdir(), 'dataset-'));
  });
  afterEach(() => rm(own.root, { recursive: true }));
  return own;
}

export const classIds = ({ classes }: Dataset) => classes.map(({ id }) => id);

/** `<picture> <class> <split>` of each example. */
export const labelled = ({ classes, examples }: Dataset) =>
  examples.map(({ id, label, split }) => [id, classes[label]?.id, ...(split ? [split] : [])].join(' '));

export const warnings = ({ findings }: Dataset) =>
  findings.filter(({ level }) => level === 'warning').map(({ code }) => code.slice('dataset/'.length));

export const finding = ({ findings }: Dataset, code: string) =>
  findings.find((found) => found.code === `dataset/${code}`);

export const failure = (code: string) => expect.objectContaining({ code: `dataset/${code}`, exitCode: 3 });
