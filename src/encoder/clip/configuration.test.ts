import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { createEngine } from '../../engine/node.ts';
import { ModelError } from '../../errors.ts';
import type { Pixels } from '../../image/types.ts';
import { floatTensor } from '../../math/tensor.ts';
import { encodeSafetensors, parseSafetensors } from '../../store/safetensors.ts';
import { describeFolder } from '../dual-record.ts';
import { loadEncoder } from '../load.ts';
import { RECORD_FILE } from '../record.ts';
import { checkReleases } from './openai-releases.ts';
import { SMALL_TOKENIZER, writeSmallClip } from './small-clip.fixture.ts';

// biome-ignore lint/suspicious/noExplicitAny: a configuration that a test alters at will.
type Altered = any;

const engine = createEngine({ threads: 1 });
const root = mkdtempSync(join(tmpdir(), 'clip-configuration-'));
const folders = {
  hub: writeSmallClip(join(root, 'hub'), { names: 'hub' }),
  openClip: writeSmallClip(join(root, 'open-clip'), { names: 'open-clip' }),
};
const FILES = { hub: 'config.json', openClip: 'open_clip_config.json' };
afterAll(async () => {
  await engine.close();
  rmSync(root, { recursive: true, force: true });
});

let copies = 0;

/** A copy of the folder with a file changed. */
function altered(names: 'hub' | 'openClip', change: (config: Altered) => void, file = FILES[names]): string {
  const copy = join(root, `altered-${++copies}`);
  cpSync(folders[names], copy, { recursive: true });
  const config = JSON.parse(readFileSync(join(copy, file), 'utf8'));
  change(config);
  writeFileSync(join(copy, file), JSON.stringify(config));
  return copy;
}

const picture: Pixels = {
  width: 32,
  height: 32,
  data: Uint8Array.from({ length: 32 * 32 * 3 }, (_, i) => (i * 37) % 256),
};

/** The fields that `PretrainedConfig` of transformers 4.16 put into every configuration. */
const TRANSFORMERS_4_16 = {
  _name_or_path: '',
  add_cross_attention: false,
  architectures: null,
  bad_words_ids: null,
  bos_token_id: 0,
  chunk_size_feed_forward: 0,
  cross_attention_hidden_size: null,
  decoder_start_token_id: null,
  diversity_penalty: 0,
  do_sample: false,
  dropout: 0,
  early_stopping: false,
  encoder_no_repeat_ngram_size: 0,
  finetuning_task: null,
  forced_bos_token_id: null,
  forced_eos_token_id: null,
  gradient_checkpointing: false,
  id2label: { 0: 'LABEL_0', 1: 'LABEL_1' },
  is_decoder: false,
  is_encoder_decoder: false,
  label2id: { LABEL_0: 0, LABEL_1: 1 },
  length_penalty: 1,
  max_length: 20,
  min_length: 0,
  no_repeat_ngram_size: 0,
  num_beam_groups: 1,
  num_beams: 1,
  num_return_sequences: 1,
  output_attentions: false,
  output_hidden_states: false,
  output_scores: false,
  pad_token_id: 1,
  prefix: null,
  problem_type: null,
  pruned_heads: {},
  remove_invalid_values: false,
  repetition_penalty: 1,
  return_dict: true,
  return_dict_in_generate: false,
  sep_token_id: null,
  task_specific_params: null,
  temperature: 1,
  tie_encoder_decoder: false,
  tie_word_embeddings: true,
  tokenizer_class: null,
  top_k: 50,
  top_p: 1,
  torch_dtype: null,
  torchscript: false,
  transformers_version: '4.16.0.dev0',
  use_bfloat16: false,
};

async function answersOf(folder: string) {
  const encoder = await loadEncoder(folder, { engine });
  const image = [...(await encoder.embedImages([picture])).data];
  const text = [...(await encoder.embedTexts!(['a cat, dog.'])).data];
  await encoder.close();
  return { fingerprint: encoder.fingerprint, image, text };
}

it("a file with the name of OpenAI's release and other contents is refused", () => {
  const sha256 = 'afeb0e10f9e5a86da6080e35cf09123aca3b358a0c3e3b6c78a7b63bc04b6762';
  expect(() => checkReleases([{ path: 'RN50.pt', bytes: 1, sha256 }])).not.toThrow();
  expect(() => checkReleases([{ path: 'ViT-B-32.pt', bytes: 1, sha256 }])).toThrow('not OpenAI');
  expect(() => checkReleases([{ path: 'mine.pt', bytes: 1, sha256 }])).not.toThrow();
});

describe('the configuration of a CLIP from weights', () => {
  it.each<[string, 'hub' | 'openClip', (config: Altered) => void, ('image' | 'text')[]]>([
    ['the activation of pictures', 'hub', (c) => (c.vision_config.hidden_act = 'gelu'), ['image']],
    ['the activation of texts', 'hub', (c) => (c.text_config.hidden_act = 'gelu'), ['text']],
    ['heads', 'hub', (c) => (c.text_config.num_attention_heads = 4), ['text']],
    ['an epsilon', 'hub', (c) => (c.vision_config.layer_norm_eps = 0.1), ['image']],
    ['a missing quick_gelu', 'openClip', (c) => delete c.model_cfg.quick_gelu, ['image', 'text']],
    ['a width of heads', 'openClip', (c) => (c.model_cfg.vision_cfg.head_width = 4), ['image']],
    ['no width of heads', 'openClip', (c) => (c.model_cfg.vision_cfg.head_width = 16), ['image']],
    ['an epsilon of texts', 'openClip', (c) => (c.model_cfg.text_cfg.norm_kwargs = { eps: 0.1 }), ['text']],
    ['other colours', 'openClip', (c) => (c.preprocess_cfg.mean = [0, 0, 0]), []],
  ])('decides numbers and fingerprint: %s', async (_, names, change, towers) => {
    const [before, after] = [await answersOf(folders[names]), await answersOf(altered(names, change))];
    expect(after.fingerprint).not.toBe(before.fingerprint);
    for (const tower of ['image', 'text'] as const) {
      const differs = before[tower].some((x, i) => Math.abs(x - after[tower][i]!) > 1e-4);
      if (towers.length > 0) expect(differs, tower).toBe(towers.includes(tower));
    }
  });

  it.each<[string, 'hub' | 'openClip', (config: Altered) => void, string]>([
    [
      'an activation',
      'hub',
      (c) => (c.text_config.hidden_act = 'relu'),
      'text_config.hidden_act cannot be "relu"',
    ],
    [
      'a field',
      'hub',
      (c) => (c.vision_config.use_rope = true),
      'vision_config.use_rope (true) is not supported',
    ],
    ['a model', 'hub', (c) => (c.model_type = 'altclip'), 'model_type'],
    ['a size', 'hub', (c) => (c.vision_config.image_size = 64), 'vision_config.image_size is 64'],
    ['a vocabulary', 'hub', (c) => (c.text_config.vocab_size = 9), 'text_config.vocab_size is 9'],
    ['heads', 'hub', (c) => (c.vision_config.num_attention_heads = 3), '3 heads'],
    ['half a head', 'hub', (c) => (c.vision_config.num_attention_heads = 0.5), 'num_attention_heads'],
    ['two end tokens', 'hub', (c) => (c.text_config.eos_token_id = [1, 2]), 'eos_token_id'],
    ['pruned heads', 'hub', (c) => (c.text_config.pruned_heads = { 0: [1] }), 'pruned_heads'],
    ['no heads', 'openClip', (c) => delete c.model_cfg.text_cfg.heads, 'how many heads'],
    ['a pool', 'openClip', (c) => (c.model_cfg.vision_cfg.pool_type = 'none'), 'vision_cfg.pool_type'],
    ['a mask', 'openClip', (c) => (c.model_cfg.text_cfg.use_pad_mask = true), 'use_pad_mask'],
    ['a timm model', 'openClip', (c) => (c.model_cfg.vision_cfg.timm_model_name = 'x'), 'timm_model_name'],
    [
      'a lost end token',
      'openClip',
      (c) => (c.model_cfg.text_cfg.tokenizer_kwargs = { strip_sep_token: true }),
      'tokenizer_kwargs',
    ],
    ['a missing projection', 'openClip', (c) => (c.model_cfg.vision_cfg.no_ln_pre = true), 'visual.ln_pre'],
    [
      'a way to resize',
      'openClip',
      (c) => (c.preprocess_cfg.resize_mode = 'longest'),
      'preprocess_cfg.resize_mode',
    ],
    ['a stretched input', 'openClip', (c) => (c.preprocess_cfg.size = 64), 'preprocess_cfg.size is 64'],
  ])('is refused by name for an unsupported %s', async (_, names, change, name) => {
    const refused = loadEncoder(altered(names, change), { engine });
    await expect(refused).rejects.toBeInstanceOf(ModelError);
    await expect(refused).rejects.toThrow(name);
  });

  it('may hold nulls, and fields that do not change embeddings', async () => {
    const same = altered('hub', (c) => {
      c.text_config.hidden_act = null;
      c.quantization_config = null;
      c.torch_dtype = 'float16';
      c.vision_config.attention_dropout = 0.1;
      c.text_config.bad_words_ids = [[1]];
      c.vision_config.image_size = [32, 32];
    });
    expect(await answersOf(same)).toEqual(await answersOf(folders.hub));
  });

  it("may hold all that transformers 4.16 wrote, as OpenAI's own does", async () => {
    const written = altered('hub', (c) => {
      Object.assign(c, { text_config_dict: null, vision_config_dict: null, transformers_version: null });
      for (const part of [c.text_config, c.vision_config]) Object.assign(part, TRANSFORMERS_4_16);
      c.text_config.eos_token_id = 2;
    });
    expect(await answersOf(written)).toEqual(await answersOf(folders.hub));
  });

  it('is read from text_config_dict if there is one, with defaults for missing fields', async () => {
    const older = altered('hub', (c) => {
      c.text_config_dict = c.text_config;
      c.text_config = { hidden_act: 'gelu' };
    });
    expect(await answersOf(older)).toEqual(await answersOf(folders.hub));
  });

  it('is required, and every tensor must be used', async () => {
    for (const names of ['hub', 'openClip'] as const) {
      const bare = altered(names, () => {});
      rmSync(join(bare, FILES[names]));
      await expect(loadEncoder(bare, { engine })).rejects.toMatchObject({ code: 'weights/no-configuration' });
    }
    const scaled = altered('openClip', () => {});
    const path = join(scaled, 'open_clip_model.safetensors');
    const { tensors } = parseSafetensors(readFileSync(path));
    tensors.set('visual.transformer.resblocks.0.ls_1.gamma', floatTensor([16], new Float32Array(16)));
    writeFileSync(path, encodeSafetensors(tensors));
    await expect(loadEncoder(scaled, { engine })).rejects.toThrow('ls_1.gamma');
  });

  it('names the end token, which every text must have; the first one counts', async () => {
    // `q` at the end of a word is the end of the text, and the rest is not read.
    const end = altered('hub', (c) => (c.text_config.eos_token_id = SMALL_TOKENIZER.model.vocab['q</w>']));
    const encoder = await loadEncoder(end, { engine });
    await expect(encoder.embedTexts!(['a cat'])).rejects.toMatchObject({ code: 'weights/tokens' });
    const { cols, data } = await encoder.embedTexts!(['a q', 'a q cat', 'a q q', 'b q']);
    const [first, ...others] = [0, 1, 2, 3].map((i) => [...data.subarray(i * cols, (i + 1) * cols)]);
    const same = (row: number[]) => row.every((x, j) => Math.abs(x - first![j]!) < 1e-5);
    expect(others.map(same)).toEqual([true, true, false]);
    await encoder.close();
  });

  it('with attention to padding needs the padding token, and cannot learn prompts', async () => {
    const both = (named: boolean) =>
      altered('openClip', (c) => {
        c.model_cfg.text_cfg.no_causal_mask = true;
        if (named) c.model_cfg.text_cfg.hf_tokenizer_name = 'bert';
      });
    const encoder = await loadEncoder(both(false), { engine });
    await expect(encoder.textTower?.()).rejects.toMatchObject({ code: 'weights/attention' });
    await encoder.close();
    await expect(loadEncoder(both(true), { engine })).rejects.toMatchObject({ code: 'weights/padding' });
  });

  it('refuses tokens without an embedding', async () => {
    const foreign = altered(
      'hub',
      (tokenizer) => {
        tokenizer.model.vocab['q</w>'] = 99;
      },
      'tokenizer.json',
    );
    const encoder = await loadEncoder(foreign, { engine });
    await expect(encoder.embedTexts!(['q'])).rejects.toThrow('gives token 99');
    await encoder.close();
  });

  it('is refused for an encoder that was recorded before its fields were supported', async () => {
    const gelu = altered('hub', (c) => (c.text_config.hidden_act = 'gelu'));
    const source = { kind: 'folder', id: 'gelu', path: gelu, precision: 'fp32' } as const;
    const { recipe, ...record } = await describeFolder(gelu, source, engine);
    expect(recipe).toMatchObject({ text: { activation: 'gelu' } });
    writeFileSync(join(gelu, RECORD_FILE), JSON.stringify(record));
    const before = await loadEncoder(gelu, { engine });
    await expect(before.embedTexts!(['a'])).rejects.toMatchObject({ code: 'encoder/record' });
    writeFileSync(join(gelu, RECORD_FILE), JSON.stringify({ ...record, recipe }));
    expect((await answersOf(gelu)).text).toHaveLength(8);
  });
});
