import { cpSync, existsSync, mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { sampleDataset } from '../src/dataset/sample-dataset.ts';
import { isImagePath } from '../src/image/image-paths.ts';

const shared = join(import.meta.dirname, '../../shared');

/** Data sets of real photos, each with an index.csv. */
export const PHOTOS = join(shared, 'data/photos');

/** `count` paths of real photos (Caltech-101) if they are available, else of the sample's pictures. Paths repeat if there are fewer. */
export async function photoPaths(count: number): Promise<{ paths: string[]; what: string }> {
  const real = join(PHOTOS, 'caltech101/images/test');
  const folder = existsSync(real) ? real : await sampleDataset();
  const files = readdirSync(folder, { recursive: true, encoding: 'utf8' })
    .filter(isImagePath)
    .sort()
    .map((file) => join(folder, file));
  const paths = Array.from({ length: count }, (_, i) => files[i % files.length]!);
  const name = existsSync(real) ? 'photos of Caltech-101' : 'pictures of the sample';
  return { paths, what: files.length < count ? `${name} (${files.length}, repeated)` : name };
}

const TINY_CLIP = join(shared, 'golden/tiny_clip_onnx');
export const hasTinyClip: boolean = existsSync(TINY_CLIP);

/** A folder with the tiny CLIP (64 pixels, 2 blocks), removed by `done`. Undefined if it is not available. */
export function tinyClip(): { folder: string; done(): void } | undefined {
  if (!hasTinyClip) return undefined;
  const folder = mkdtempSync(join(tmpdir(), 'tiny-clip-'));
  cpSync(TINY_CLIP, folder, { recursive: true });
  cpSync(join(shared, 'data/tokenizer/tokenizer.json'), join(folder, 'tokenizer.json'));
  return { folder, done: () => rmSync(folder, { recursive: true, force: true }) };
}
