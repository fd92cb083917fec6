import { join } from 'node:path';
import type { Engine } from '../../engine/types.ts';
import { openWeights } from '../clip/checkpoint.ts';
import { checkRecipe } from '../clip/sessions.ts';
import { readConfigurationFiles } from '../configuration-files.ts';
import { factsOf } from '../encoder-facts.ts';
import type { VisionRecord } from '../record.ts';
import { imageSide, sessionOf } from '../tower.ts';
import type { Encoder } from '../types.ts';
import { visionFamily } from './configuration.ts';
import { type VisionFacts, visionFacts } from './facts.ts';
import { visionGraph } from './tower.ts';

/** The encoder of a vision transformer from weights in a folder. It embeds pictures only. The tower is built at its first use. */
export function visionEncoder(record: VisionRecord, folder: string, engine: Engine): Encoder {
  const image = sessionOf(() =>
    withVision(record, folder, async ({ checkpoint, shape }) => {
      const weights = engine.readsWeights ? checkpoint.files : undefined;
      return engine.compile(await visionGraph(checkpoint, shape, weights), { weights });
    }),
  );
  return {
    ...factsOf(record),
    ...imageSide(record, image, { outputs: ['image_embeds'] }),
    close: () => image.close(),
  };
}

/** Opens the weights while `use` runs. Throws `ModelError` if they no longer match the record. */
export async function withVision<T>(
  record: VisionRecord,
  folder: string,
  use: (facts: VisionFacts) => Promise<T>,
): Promise<T> {
  const read = await readConfigurationFiles(
    folder,
    record.files.map(({ path }) => path),
  );
  const stored = await openWeights(join(folder, record.imageModel));
  try {
    const family = visionFamily(read);
    if (!family) {
      checkRecipe(record, undefined);
      throw new Error(`${folder} has no vision transformer`);
    }
    const facts = visionFacts(stored, family, read);
    checkRecipe(record, facts.recipe);
    return await use(facts);
  } finally {
    await stored.close();
  }
}
