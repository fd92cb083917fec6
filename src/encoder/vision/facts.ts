import { ModelError } from '../../errors.ts';
import type { Preprocessing } from '../../image/types.ts';
import { floatTensor, type Tensor } from '../../math/tensor.ts';
import type { StoredWeights } from '../clip/checkpoint.ts';
import { checkSizes, checkTensors } from '../clip/facts.ts';
import { misshapen, readShapes, sideOf } from '../clip/weights.ts';
import type { Json } from '../fields.ts';
import { preprocessingOf, preprocessorOf } from '../preprocessor-config.ts';
import { type VisionConfiguration, type VisionFamily, visionConfiguration } from './configuration.ts';
import { type VisionCheckpoint, visionNames } from './names.ts';
import { resampled } from './positions.ts';
import { type VisionShape, visionTower } from './tower.ts';

/** Facts about a vision transformer from its weights and configuration. */
export interface VisionFacts {
  readonly shape: VisionShape;
  readonly preprocessing: Preprocessing;
  /** The parts of the tower's computation that the weights do not show. They are part of the fingerprint. */
  readonly recipe: Readonly<Record<string, unknown>>;
  /** The weights under the tower's names, with positions of the pictures' size. */
  readonly checkpoint: VisionCheckpoint;
}

/**
 * Throws `ModelError` if weights and configuration do not fit together, or if one of them holds something unsupported.
 *
 * @param read returns a parsed configuration file, or undefined if it does not exist
 */
export function visionFacts(
  stored: StoredWeights,
  family: VisionFamily,
  read: (path: string) => Json | undefined,
): VisionFacts {
  const configuration = visionConfiguration(family, read);
  const preprocessor = preprocessorOf(read);
  if (!preprocessor)
    throw new ModelError('The weights of a vision transformer lack preprocessor_config.json', {
      code: 'encoder/no-configuration',
      hint: 'Get it from the source of the weights.',
    });
  const preprocessing = preprocessingOf(preprocessor.json, preprocessor.file);
  const named = visionNames(stored);
  const { trained, ...shape } = shapeOf(named, configuration, preprocessing.crop);
  checkSizes(configuration.sizes, { ...shape, trained });
  const checkpoint = withPositions(named, shape, trained, configuration);
  checkTensors(checkpoint, [visionTower(shape)]);
  const { heads, activation, epsilon, theta } = shape;
  const { resampling } = configuration;
  return {
    shape,
    preprocessing,
    recipe: {
      family,
      heads,
      activation,
      epsilon,
      ...(theta === undefined ? {} : { theta }),
      ...(resampling === undefined ? {} : { resampling }),
    },
    checkpoint,
  };
}

/** The architecture, and the side of the pictures that its positions were learnt for. */
function shapeOf(
  { shapes }: VisionCheckpoint,
  { rules }: VisionConfiguration,
  size: number,
): VisionShape & { trained: number } {
  const { of, count } = readShapes(shapes);
  const [width, , patch] = of('patch.weight', 4);
  const multiple = rules.heads * (rules.theta === undefined ? 1 : 4);
  if (width % multiple !== 0)
    throw new ModelError(`The tower has the width ${width}, which is not a multiple of ${multiple}`, {
      code: 'weights/heads',
      details: { width, heads: rules.heads },
    });
  if (size < patch) throw misshapen(`pictures of ${size} pixels are smaller than a patch of ${patch}`);
  const trained = rules.theta === undefined ? sideOf(of('positions', 2)[0] - 1) * patch : size;
  return {
    ...rules,
    size,
    patch,
    width,
    blocks: count(/^blocks\.(\d+)\./),
    registers: shapes.get('registers')?.[0] ?? 0,
    trained,
  };
}

/** The checkpoint with learnt positions resampled to the size of the pictures. Throws `ModelError` if the model does not allow it. */
function withPositions(
  checkpoint: VisionCheckpoint,
  { size, patch, width, theta }: VisionShape,
  trained: number,
  { resampling }: VisionConfiguration,
): VisionCheckpoint {
  if (theta !== undefined || size === trained) return checkpoint;
  if (!resampling)
    throw new ModelError(`Pictures are prepared to ${size} pixels, but the weights are of ${trained}`, {
      code: 'weights/size',
      details: { crop: size, size: trained },
    });
  const [from, to] = [trained / patch, Math.floor(size / patch)];
  const shapes = new Map([...checkpoint.shapes, ['positions', [1 + to * to, width]] as const]);
  const tensor = async (name: string): Promise<Tensor> => {
    const whole = await checkpoint.tensor(name);
    if (name !== 'positions') return whole;
    const data = whole.data as Float32Array;
    const patches = resampled(floatTensor([from * from, width], data.subarray(width)), from, to, resampling);
    const own = new Float32Array((1 + to * to) * width);
    own.set(data.subarray(0, width));
    own.set(patches.data as Float32Array, width);
    return floatTensor([1 + to * to, width], own);
  };
  return { ...checkpoint, shapes, tensor };
}
