import { groupBy } from '../dataset/groups.ts';
import type { ClassCount, Overview } from '../dataset/overview.ts';
import { countsText, sizesText } from '../dataset/overview.ts';
import type { Dataset, Example } from '../dataset/types.ts';
import { ahead } from '../encoder/ahead.ts';
import { InterruptedError } from '../errors.ts';
import { createImageLoader, type ImageLoader } from '../image/loader.ts';
import { renderDataPage } from '../report/data-page.ts';
import { count } from '../words.ts';

/** Longer side of a thumbnail, in pixels. */
const SIDE = 128;
/** Most pictures of a class, most pictures of the page, and most classes of the page. */
const OF_CLASS = 12;
const OF_PAGE = 3000;
const CLASSES = 1000;
/** Number of pictures whose bytes are in memory at a time. */
const READ_AHEAD = 8;

/** The page about a data set, with evenly spaced pictures of each class, and the ids of those that cannot be read. */
export async function dataPage(
  dataset: Dataset,
  overview: Overview,
  work: { signal: AbortSignal; onProgress(state: { done: number; total: number }): void },
): Promise<{ page: string; unread: string[] }> {
  const classes = overview.classes.slice(0, CLASSES);
  const most = Math.max(1, Math.min(OF_CLASS, Math.floor(OF_PAGE / Math.max(1, classes.length))));
  const byClass = groupBy(dataset.examples, ({ label }) => label);
  const chosen = classes.map((_, c) => spaced(byClass.get(c) ?? [], most));
  const images = await thumbnails(chosen.flat(), work);
  const sizes = sizesText(overview);
  const page = renderDataPage({
    name: dataset.name,
    root: dataset.root,
    created: new Date().toISOString(),
    facts: [`${countsText(overview)}, read from ${dataset.layout}.`, ...(sizes ? [sizes] : [])],
    findings: dataset.findings.slice(1),
    classes: classes.map((one, c) => ({
      name: one.name,
      id: one.id,
      counts: classText(one),
      pictures: chosen[c]!.map(({ id }) => ({ path: id, image: images.get(id) })),
    })),
    allClasses: overview.classes.length,
  });
  return { page, unread: chosen.flat().flatMap(({ id }) => (images.has(id) ? [] : [id])) };
}

function classText(counts: ClassCount): string {
  const splits = (['train', 'val', 'test'] as const).filter((split) => counts[split] > 0);
  const parts = splits.map((split) => `${counts[split]} ${split}`).join(', ');
  return count(counts.pictures, 'picture') + (parts && ` (${parts})`);
}

/** At most `most` items with equal distances between them. */
function spaced<T>(items: readonly T[], most: number): T[] {
  if (items.length <= most) return [...items];
  return Array.from({ length: most }, (_, i) => items[Math.floor((i * items.length) / most)]!);
}

/** Thumbnails as data URIs, by the pictures' ids. A picture that cannot be read has none. */
async function thumbnails(
  examples: readonly Example[],
  { signal, onProgress }: { signal: AbortSignal; onProgress(state: { done: number; total: number }): void },
): Promise<Map<string, string>> {
  const loader = createImageLoader();
  const images = new Map<string, string>();
  let done = 0;
  const make = async (example: Example) => [example.id, await thumbnail(loader, example, signal)] as const;
  try {
    for await (const [id, image] of ahead(examples, make, READ_AHEAD)) {
      if (image !== undefined) images.set(id, image);
      onProgress({ done: ++done, total: examples.length });
    }
  } finally {
    await loader.close();
  }
  return images;
}

async function thumbnail(
  loader: ImageLoader,
  example: Example,
  signal: AbortSignal,
): Promise<string | undefined> {
  try {
    const jpeg = await loader.thumbnail(await example.read(), SIDE, { signal });
    return `data:image/jpeg;base64,${Buffer.from(jpeg).toString('base64')}`;
  } catch (error) {
    if (error instanceof InterruptedError) throw error;
    return undefined;
  }
}
