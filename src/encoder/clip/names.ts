import { ModelError } from '../../errors.ts';

/** A tensor of the towers as a part of a tensor of the checkpoint. */
export interface View {
  readonly source: string;
  readonly shape: readonly number[];
  /** Which of equal parts, along the first axis. */
  readonly part?: readonly [index: number, of: number];
  readonly transposed?: boolean;
}

/** How a checkpoint names its tensors: as OpenAI and open_clip do, or as Hugging Face's models do. */
export interface Naming {
  readonly hub: boolean;
  /** OpenAI's name for a tensor, or undefined if no tower has it. */
  translate(name: string): string | undefined;
}

/** The first convolutions of image towers. */
const OPEN_CLIP_STEMS = [
  'visual.conv1.weight',
  'visual.trunk.patch_embed.proj.weight',
  'visual.trunk.stem.0.weight',
];

/** Throws `ModelError` if the names are not those of a CLIP or SigLIP. */
export function namingOf(names: readonly string[]): Naming {
  if (names.some((name) => name.startsWith('text_model.')))
    return { hub: true, translate: (name) => translated(name, HUB, INNER) };
  if (OPEN_CLIP_STEMS.some((name) => names.includes(name))) return { hub: false, translate: openClipName };
  throw new ModelError('The weights are not those of a CLIP', {
    code: 'weights/names',
    hint: "Known are the names of OpenAI and open_clip (such as visual.conv1.weight, visual.trunk.patch_embed.proj.weight or visual.trunk.stem.0.weight) and of Hugging Face's CLIPModel and SiglipModel (text_model and vision_model). A model without texts needs a config.json whose model_type is dinov2, dinov2_with_registers, dinov3_vit or vit.",
    details: { names: names.slice(0, 10) },
  });
}

/**
 * The tensors of the towers that one tensor of a checkpoint holds. Matrices that project queries, keys and values together are split.
 * Projections of `nn.Linear` [out, in] become OpenAI's [in, out]. A leading axis of positions of size 1 is dropped. The scale and the bias
 * of scores are single numbers [], which some checkpoints store as [1].
 */
export function viewsOf(name: string, source: string, shape: readonly number[]): [string, View][] {
  const joint = /^(.*\.attn(?:_pool)?\.)(in|kv)_proj_(weight|bias)$/.exec(name);
  if (joint) {
    const parts = [...(joint[2] === 'in' ? 'qkv' : 'kv')];
    return parts.map((part, i) => [
      `${joint[1]}${part}_proj.${joint[3]}`,
      { source, shape: [shape[0]! / parts.length, ...shape.slice(1)], part: [i, parts.length] },
    ]);
  }
  if (PROJECTIONS.includes(name) && source.endsWith('.weight'))
    return [[name, { source, shape: [...shape].reverse(), transposed: true }]];
  if (SCALARS.includes(name) && shape.length === 1 && shape[0] === 1) return [[name, { source, shape: [] }]];
  const squeezed = name === 'visual.positional_embedding' && shape.length === 3 && shape[0] === 1;
  return [[name, { source, shape: squeezed ? shape.slice(1) : shape }]];
}

const SCALARS = ['logit_scale', 'logit_bias'];
const PROJECTIONS = ['visual.proj', 'text_projection'];

type Translation = readonly (readonly [theirs: string, openAi: string])[];

/** The first prefix that a name begins with is translated, then the parts inside. */
function translated(name: string, prefixes: Translation, inner: Translation): string | undefined {
  const found = prefixes.find(([theirs]) => name.startsWith(theirs));
  if (!found) return undefined;
  const rest = found[1] + name.slice(found[0].length);
  return inner.reduce((text, [theirs, openAi]) => text.replace(theirs, openAi), rest);
}

/** Hugging Face's CLIPModel and SiglipModel. */
const HUB: Translation = [
  ['vision_model.encoder.layers.', 'visual.transformer.resblocks.'],
  ['text_model.encoder.layers.', 'transformer.resblocks.'],
  ['vision_model.embeddings.class_embedding', 'visual.class_embedding'],
  ['vision_model.embeddings.patch_embedding.', 'visual.conv1.'],
  ['vision_model.embeddings.position_embedding.weight', 'visual.positional_embedding'],
  // Every checkpoint has this misspelt name.
  ['vision_model.pre_layrnorm.', 'visual.ln_pre.'],
  ['vision_model.post_layernorm.', 'visual.ln_post.'],
  ['vision_model.head.probe', 'visual.attn_pool.latent'],
  ['vision_model.head.attention.', 'visual.attn_pool.'],
  ['vision_model.head.layernorm.', 'visual.attn_pool.ln.'],
  ['vision_model.head.', 'visual.attn_pool.'],
  ['visual_projection.weight', 'visual.proj'],
  ['text_model.embeddings.token_embedding.weight', 'token_embedding.weight'],
  ['text_model.embeddings.position_embedding.weight', 'positional_embedding'],
  ['text_model.final_layer_norm.', 'ln_final.'],
  ['text_model.head.weight', 'text_projection'],
  ['text_model.head.bias', 'text_projection.bias'],
  ['text_projection.weight', 'text_projection'],
  ['logit_scale', 'logit_scale'],
  ['logit_bias', 'logit_bias'],
];
const INNER: Translation = [
  ['.self_attn.', '.attn.'],
  ['.layer_norm1.', '.ln_1.'],
  ['.layer_norm2.', '.ln_2.'],
  ['.mlp.fc1.', '.mlp.c_fc.'],
  ['.mlp.fc2.', '.mlp.c_proj.'],
];

/** open_clip's own names, the text tower of its CustomTextCLIP, and timm's vision transformers and ConvNeXts as image towers. */
function openClipName(name: string): string | undefined {
  if (name.startsWith('text.'))
    return translated(
      name,
      [
        ['text.text_projection.weight', 'text_projection'],
        ['text.', ''],
      ],
      [],
    );
  if (/^visual\.(trunk|head)\./.test(name)) return translated(name, TIMM, TIMM_INNER);
  return name;
}

const TIMM: Translation = [
  ['visual.trunk.patch_embed.proj.', 'visual.conv1.'],
  ['visual.trunk.cls_token', 'visual.class_embedding'],
  ['visual.trunk.pos_embed', 'visual.positional_embedding'],
  ['visual.trunk.blocks.', 'visual.transformer.resblocks.'],
  ['visual.trunk.norm_pre.', 'visual.ln_pre.'],
  ['visual.trunk.norm.', 'visual.ln_post.'],
  ['visual.trunk.attn_pool.q.', 'visual.attn_pool.q_proj.'],
  ['visual.trunk.attn_pool.kv.', 'visual.attn_pool.kv_proj_'],
  ['visual.trunk.attn_pool.proj.', 'visual.attn_pool.out_proj.'],
  ['visual.trunk.attn_pool.norm.', 'visual.attn_pool.ln.'],
  ['visual.trunk.attn_pool.', 'visual.attn_pool.'],
  ['visual.trunk.stem.0.', 'visual.stem.conv.'],
  ['visual.trunk.stem.1.', 'visual.stem.norm.'],
  ['visual.trunk.stages.', 'visual.stages.'],
  ['visual.trunk.head.norm.', 'visual.ln_post.'],
  ['visual.trunk.head.weight', 'visual.proj'],
  ['visual.trunk.head.bias', 'visual.proj.bias'],
  ['visual.head.proj.weight', 'visual.proj'],
  ['visual.head.mlp.', 'visual.head.mlp.'],
];
const TIMM_INNER: Translation = [
  ['.downsample.0.', '.reduce.norm.'],
  ['.downsample.1.', '.reduce.conv.'],
  ['.attn.qkv.', '.attn.in_proj_'],
  ['.attn.proj.', '.attn.out_proj.'],
  ['.norm1.', '.ln_1.'],
  ['.norm2.', '.ln_2.'],
  ['.mlp.fc1.', '.mlp.c_fc.'],
  ['.mlp.fc2.', '.mlp.c_proj.'],
];
