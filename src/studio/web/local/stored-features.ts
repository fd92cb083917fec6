import { atOnce } from '../../../abort.ts';
import { isFeature } from '../../../encoder/checked.ts';
import { fromHalf, toHalf } from '../../../math/half.ts';
import { rowsToHalfInPieces } from '../../../math/half-rows.ts';
import { matrix } from '../../../math/matrix.ts';
import type { StoredFolder } from './storage.ts';

/** Features of pictures in the browser's storage, in half precision, by encoder and picture. */
export interface StoredFeatures {
  get(hash: string): Promise<Float32Array | undefined>;
  put(hash: string, feature: Float32Array): Promise<void>;
}

export function storedFeatures(folder: StoredFolder, dimension: number): StoredFeatures {
  return {
    async get(hash) {
      const file = await folder.file(hash);
      // A file whose writing was interrupted is shorter.
      if (file?.size !== 2 * dimension) return undefined;
      const feature = fromHalf(new Uint16Array(await file.arrayBuffer()));
      return isFeature(feature, dimension) ? feature : undefined;
    },
    put: async (hash, feature) => {
      const half = toHalf(atOnce(rowsToHalfInPieces(matrix(1, dimension, feature))).data);
      await folder.write(hash, new Uint8Array(half.buffer, half.byteOffset, half.byteLength));
    },
  };
}
