import type { View } from '../clip/names.ts';
import { type Checkpoint, filesUnder, readView, widened } from '../clip/weights.ts';

/** A checkpoint under the names of the tower (`src/encoder/vision/tower.ts`). */
export interface VisionCheckpoint extends Checkpoint {
  /** Tensors that the tower does not have. */
  readonly foreign: readonly string[];
  /** The tensors with an effect by their names here. */
  readonly views: ReadonlyMap<string, View>;
}

/**
 * The weights of Hugging Face's Dinov2Model, Dinov2WithRegistersModel, DINOv3ViTModel or ViTModel under one set of names. Axes of size 1
 * before tokens are dropped, and joint matrices of a gated perceptron are split. Half precision is widened when a tensor is read.
 */
export function visionNames(checkpoint: Checkpoint): VisionCheckpoint {
  const views = new Map<string, View>();
  const foreign: string[] = [];
  for (const [source, shape] of checkpoint.shapes) {
    if (WITHOUT_EFFECT.test(source)) continue;
    const name = translated(source);
    if (name === undefined) foreign.push(source);
    else for (const [part, view] of viewsOf(name, source, shape)) views.set(part, view);
  }
  const read = async (source: string) => widened(await checkpoint.tensor(source), source);
  return {
    shapes: new Map([...views].map(([name, { shape }]) => [name, shape])),
    tensor: async (name) => {
      const view = views.get(name);
      return view ? readView(read, view) : read(name);
    },
    files: filesUnder(checkpoint, views),
    foreign,
    views,
    close: () => checkpoint.close(),
  };
}

/** The token of masked training, and heads that follow the class token. */
const WITHOUT_EFFECT =
  /^((dinov2|dinov2_with_registers|vit)\.)?(embeddings\.mask_token|classifier\..*|pooler\.dense\..*)$/;

/** Prefixes of models with a head. */
const OUTER = /^(dinov2|dinov2_with_registers|vit|model)\./;

const PLAIN: Readonly<Record<string, string>> = {
  'embeddings.cls_token': 'class_token',
  'embeddings.register_tokens': 'registers',
  'embeddings.position_embeddings': 'positions',
  'embeddings.patch_embeddings.projection.weight': 'patch.weight',
  'embeddings.patch_embeddings.projection.bias': 'patch.bias',
  'embeddings.patch_embeddings.weight': 'patch.weight',
  'embeddings.patch_embeddings.bias': 'patch.bias',
};

/** The parts of a block, with their names in the tower. */
const INNER: readonly (readonly [theirs: string, ours: string])[] = [
  ['attention.attention.query.', 'attn.q.'],
  ['attention.attention.key.', 'attn.k.'],
  ['attention.attention.value.', 'attn.v.'],
  ['attention.output.dense.', 'attn.out.'],
  ['attention.q_proj.', 'attn.q.'],
  ['attention.k_proj.', 'attn.k.'],
  ['attention.v_proj.', 'attn.v.'],
  ['attention.o_proj.', 'attn.out.'],
  ['layer_scale1.lambda1', 'scale1'],
  ['layer_scale2.lambda1', 'scale2'],
  ['mlp.fc1.', 'mlp.up.'],
  ['mlp.fc2.', 'mlp.down.'],
  ['mlp.weights_in.', 'mlp.gate+up.'],
  ['mlp.weights_out.', 'mlp.down.'],
  ['mlp.gate_proj.', 'mlp.gate.'],
  ['mlp.up_proj.', 'mlp.up.'],
  ['mlp.down_proj.', 'mlp.down.'],
  ['intermediate.dense.', 'mlp.up.'],
  ['output.dense.', 'mlp.down.'],
  ['layernorm_before.', 'norm1.'],
  ['layernorm_after.', 'norm2.'],
  ['norm1.', 'norm1.'],
  ['norm2.', 'norm2.'],
];

function translated(source: string): string | undefined {
  const name = source.replace(OUTER, '');
  if (Object.hasOwn(PLAIN, name)) return PLAIN[name];
  const last = /^(?:layer)?norm\.(weight|bias)$/.exec(name);
  if (last) return `norm.${last[1]}`;
  const [, block, rest = ''] = /^(?:encoder\.)?layer\.(\d+)\.(.*)$/.exec(name) ?? [];
  const inner = INNER.find(([theirs]) => rest.startsWith(theirs));
  return block && inner && `blocks.${block}.${inner[1]}${rest.slice(inner[0].length)}`;
}

/** Number of axes of tensors that are stored with leading axes of size 1. */
const RANKS: Readonly<Record<string, number>> = { class_token: 1, registers: 2, positions: 2 };

function viewsOf(name: string, source: string, shape: readonly number[]): [string, View][] {
  const joint = /^(.*\.mlp\.)gate\+up\.(weight|bias)$/.exec(name);
  if (joint)
    return ['gate', 'up'].map((part, i) => [
      `${joint[1]}${part}.${joint[2]}`,
      { source, shape: [shape[0]! / 2, ...shape.slice(1)], part: [i, 2] },
    ]);
  const extra = shape.length - (RANKS[name] ?? shape.length);
  const squeezed = shape.slice(0, extra).every((size) => size === 1);
  return [[name, { source, shape: squeezed ? shape.slice(extra) : shape }]];
}
