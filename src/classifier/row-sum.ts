import type { FeatureBlock } from '../dataset/row-blocks.ts';
import type { Products } from '../linalg/matrix-products.ts';
import type { SumForm } from '../methods/method.ts';
import type { Samples } from '../methods/samples.ts';
import { createSummariser, type Summarising } from '../methods/summariser.ts';
import type { Sums } from '../methods/summary.ts';
import { createCollection, divided, leftOutOf } from './left-out-rows.ts';

/** The sums of the rows that are not left out, and the rows that are. */
export interface RowSums {
  readonly sums: Sums;
  readonly left: Samples;
}

/** The sums of one thread. The left-out rows have their places in the data, by which those of several threads are ordered. */
export interface PlacedSums extends RowSums {
  readonly left: Samples & { readonly places: Float64Array };
}

/** How rows are summed up. */
export interface Summing {
  readonly form: SumForm;
  /** Id of the form's method, and the name of its pass if the form is of one. */
  readonly method: string;
  readonly pass?: string;
  readonly what: Summarising;
  /** Decide which rows are left out: the number of all rows of the folder, and the seed. */
  readonly rows: number;
  readonly seed: number;
}

/** An empty sum, which adds rows with the given products. */
export function createRowSum({ form, what, rows, seed }: Summing, products: Products) {
  const isLeftOut = leftOutOf(rows, seed);
  const summariser = createSummariser(form, what, products);
  const collection = createCollection(what.task.dimension);
  const places: number[] = [];
  return {
    async add(block: FeatureBlock): Promise<void> {
      const { rest, left } = divided(block, isLeftOut);
      collection.add(left);
      places.push(...left.places);
      await summariser.add(rest);
    },
    result: async (): Promise<PlacedSums> => ({
      sums: await summariser.sums(),
      left: { ...collection.samples(), places: Float64Array.from(places) },
    }),
  };
}
