import { taskOf } from '../../../classifier/classifier-task.ts';
import { explainFeatures } from '../../../classifier/explain.ts';
import type { ClassifierData } from '../../../classifier/types.ts';
import type { EncodedImages } from '../../../encoder/encode.ts';
import type { Encoder } from '../../../encoder/types.ts';
import type { KeyCache } from '../../../engine/keys/types.ts';
import { sharedEngine } from '../../../engine/shared.ts';
import { DataError, throwIfAborted } from '../../../errors.ts';
import { type Matrix, matrix, row, softmaxRows } from '../../../math/matrix.ts';
import { methodById } from '../../../methods/index.ts';
import { createScorer, type Scorer } from '../../../methods/score.ts';
import { sha256 } from '../../../sha256.ts';
import { isCalibrated } from '../../../tuning/calibrated.ts';
import { pagePicture } from '../../../web/picture.ts';
import { encodePictures } from '../../../web/session.ts';
import { recentFeatures } from '../../recent-features.ts';
import { createTeacher, type LessonClassifier, type Teacher } from '../../teacher.ts';
import type { StoredFeatures } from './stored-features.ts';
import type { StoredPictures } from './stored-pictures.ts';

/** A teacher of the browser's stored pictures, whose features are stored too. */
export function storedTeacher(encoder: Encoder, pictures: StoredPictures, features: StoredFeatures): Teacher {
  const embed = (file: Blob, id: string, signal?: AbortSignal) =>
    encodePictures(
      [pagePicture({ kind: 'file', file, id })],
      encoder,
      (pixels, signal) => encoder.embedImages(pixels, { signal }),
      { views: [0], seed: 0, exif: true, hashed: false, signal },
    );
  const recent = recentFeatures();
  /** The features of a tried picture, which is asked again after every change. */
  const tried = async (bytes: Uint8Array): Promise<Matrix> => {
    const key = sha256(bytes);
    const [known] = recent.getMany([key]);
    if (known) return matrix(1, encoder.dimension, known);
    const { features, failures } = await embed(new Blob([bytes as Uint8Array<ArrayBuffer>]), 'picture');
    for (const { error } of failures) throw error;
    await recent.putMany([{ key, value: features.data }]);
    return features;
  };
  return createTeacher(encoder, {
    async encode(wanted, { signal, onProgress }) {
      const rows: Float32Array[] = [];
      const items: { item: number; view: 0 }[] = [];
      const failures: EncodedImages['failures'][number][] = [];
      let cached = 0;
      for (const [item, { hash, id }] of wanted.entries()) {
        throwIfAborted(signal);
        const known = await features.get(hash);
        if (known) cached++;
        const found = known ?? (await embedded(hash, id, signal));
        if (found instanceof DataError) failures.push({ item, id, error: found });
        else {
          rows.push(found);
          items.push({ item, view: 0 });
        }
        onProgress?.({ done: item + 1, total: wanted.length, cached });
      }
      const all = matrix(rows.length, encoder.dimension);
      rows.forEach((feature, i) => void row(all, i).set(feature));
      return { features: all, rows: items, failures };
    },
    classifier: (data, cache) => storedClassifier(data, tried, cache),
    close: async () => {},
  });

  /** The new feature of a stored picture, or why there is none. A feature that cannot be stored is computed again next time. */
  async function embedded(hash: string, id: string, signal?: AbortSignal): Promise<Float32Array | DataError> {
    try {
      const { features: made, failures } = await embed(await pictures.file(hash), id, signal);
      for (const { error } of failures) throw error;
      const feature = row(made, 0);
      await features.put(hash, feature).catch(() => {});
      return feature;
    } catch (error) {
      if (error instanceof DataError) return error;
      throw error;
    }
  }
}

function storedClassifier(
  data: ClassifierData,
  embed: (picture: Uint8Array) => Promise<Matrix>,
  cache?: KeyCache,
): LessonClassifier {
  let scorer: Promise<Scorer> | undefined;
  const scoring = () => {
    scorer ??= createScorer(sharedEngine(), methodById(data.method), data.state, { ...taskOf(data), cache });
    return scorer;
  };
  return {
    data,
    calibrated: isCalibrated(data.tuning),
    probabilities: async (features) =>
      softmaxRows(await (await scoring()).scores(features), data.tuning.temperature),
    explain: async (picture, { examples }) =>
      explainFeatures(data, await scoring(), 'picture', await embed(picture), { examples }),
    close: async () => (await scorer?.catch(() => undefined))?.close(),
  };
}
