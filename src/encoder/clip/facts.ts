import { ModelError } from '../../errors.ts';
import type { Preprocessing } from '../../image/types.ts';
import { preprocessingOf } from '../preprocessor-config.ts';
import type { TextRule } from '../record.ts';
import { type Checkpoint, type ClipShape, shapeOf } from './weights.ts';

type Json = Readonly<Record<string, unknown>>;

/** What weights and their configuration say about a CLIP. */
export interface ClipFacts {
  readonly shape: ClipShape;
  readonly logitScale: number;
  readonly preprocessing: Preprocessing;
  readonly text: TextRule;
}

/** Mean and deviation of the colours that OpenAI's models saw. */
const OPENAI_COLOURS = {
  mean: [0.48145466, 0.4578275, 0.40821073],
  std: [0.26862954, 0.26130258, 0.27577711],
};

/**
 * @param read a configuration file, parsed; undefined where there is none. Known are Hugging Face's `config.json` with
 * `preprocessor_config.json`, and open_clip's `open_clip_config.json`; without either OpenAI's settings hold.
 */
export async function clipFacts(
  checkpoint: Checkpoint,
  read: (path: string) => Json | undefined,
): Promise<ClipFacts> {
  const config = read('config.json') ?? {};
  const openClip = read('open_clip_config.json') ?? {};
  const [image, text] = [config.vision_config, config.text_config].map((part) => (part ?? {}) as Json);
  checkActivation(text.hidden_act ?? image.hidden_act, (openClip.model_cfg ?? {}) as Json);
  const heads = (part: Json) => part.num_attention_heads as number | undefined;
  const shape = shapeOf(checkpoint, { image: heads(image), text: heads(text) });
  const { size } = shape.image;
  const stated = read('preprocessor_config.json') ?? {
    ...OPENAI_COLOURS,
    interpolation: 'bicubic',
    ...((openClip.preprocess_cfg ?? {}) as Json),
    size: { shortest_edge: size },
    crop_size: size,
    do_center_crop: true,
  };
  const { data } = await checkpoint.tensor('logit_scale');
  return {
    shape,
    logitScale: Math.exp(Number(data[0])),
    preprocessing: preprocessingOf(stated),
    text: { cleaning: 'clip', length: shape.text.context, padding: 'fixed', pad: 0 },
  };
}

/** The towers are OpenAI's, whose activation is the quick one: another gives other numbers in silence. */
function checkActivation(hidden: unknown, { quick_gelu: quick }: Json): void {
  if (hidden === undefined ? quick !== false : hidden === 'quick_gelu') return;
  throw new ModelError(`The weights were trained with ${hidden ?? 'gelu'}; only quick_gelu is known`, {
    code: 'clip/activation',
    hint: "Use an ONNX export of this model, or one of OpenAI's.",
  });
}
