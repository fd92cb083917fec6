import { execFileSync, spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { SMALL_TOKENIZER } from '../src/encoder/clip/small-clip.fixture.ts';
import { toHalf } from '../src/math/half.ts';
import { random } from '../src/math/random.ts';
import { floatTensor, sizeOf, type Tensor } from '../src/math/tensor.ts';
import { encodeSafetensors } from '../src/store/safetensors.ts';
import { median } from './measure.ts';
import { TORCH_PYTHON } from './python.ts';

const INDEX = pathToFileURL(join(import.meta.dirname, '../dist/index.js')).href;
const RUNS = 3;
const SIDE = 224;
const VOCABULARY = 49_408;

interface Start {
  readonly wall: number;
  readonly processor: number;
  readonly memory: number;
}

/**
 * Whole processes: from a folder with a ViT-B/32 (random weights of the published shapes) to the first feature of a picture. The first start with
 * a folder also hashes its weights. The file is in the system's memory. Needs `npm run build` first, and for the `.pt` file a Python with PyTorch
 * (`TIP_ADAPTER_BENCH_PYTHON`).
 */
export async function benchLoading(): Promise<string[]> {
  const root = mkdtempSync(join(tmpdir(), 'loading-'));
  const lines = [
    `From a folder with ViT-B/32 to the first feature of a picture, medians of ${RUNS} processes`,
  ];
  try {
    const bare = times(RUNS, () => started(['-e', TELL]));
    lines.push(`  starting Node: ${told(bare)}`);
    for (const [form, write] of Object.entries(FORMS)) {
      const folder = join(root, 'clip');
      const weights = write(folder);
      if (weights === undefined) {
        lines.push(`  ${form}: skipped, ${TORCH_PYTHON} has no torch and safetensors`);
        continue;
      }
      const start = (home: string) =>
        started(['--input-type=module', '-e', CHILD, folder], { TIP_ADAPTER_HOME: join(root, home) });
      const first = times(RUNS, (i) => start(`home-${i}`));
      const later = times(RUNS, () => start('home-0'));
      const size = `${Math.round(statSync(join(folder, weights)).size / 1e6)} MB`;
      lines.push(`  ${form}, ${size}: first start ${told(first)}`, `    later starts ${told(later)}`);
      rmSync(root, { recursive: true });
      mkdirSync(root);
    }
  } finally {
    rmSync(root, { recursive: true, force: true });
  }
  return lines;
}

/** Prints what the process took. `performance.now()` begins with the process. */
const TELL = `
const { user, system } = process.cpuUsage();
const told = { wall: performance.now() / 1e3, processor: (user + system) / 1e6, memory: process.resourceUsage().maxRSS / 1024 };
console.log(JSON.stringify(told));`;

const CHILD = `
const { loadEncoder } = await import(${JSON.stringify(INDEX)});
const encoder = await loadEncoder(process.argv[1]);
const size = ${SIDE};
await encoder.embedImages([{ width: size, height: size, data: new Uint8Array(3 * size * size).map((_, i) => i % 251) }]);
${TELL}
await encoder.close();
process.exit();`;

function started(args: readonly string[], env: NodeJS.ProcessEnv = {}): Start {
  const { status, stdout, stderr } = spawnSync(process.execPath, args, {
    encoding: 'utf8',
    env: { ...process.env, ...env },
  });
  if (status !== 0) throw new Error(stderr);
  return JSON.parse(stdout);
}

const times = <T>(count: number, run: (i: number) => T): T[] =>
  Array.from({ length: count }, (_, i) => run(i));

function told(starts: readonly Start[]): string {
  const of = (what: keyof Start) => median(starts.map((start) => start[what]));
  return `${of('wall').toFixed(2)} s, processor ${of('processor').toFixed(2)} s, peak ${of('memory').toFixed(0)} MiB`;
}

/** Ways to store the weights. Each writes a folder and returns the name of the file with the weights, or undefined if it cannot. */
const FORMS: Readonly<Record<string, (folder: string) => string | undefined>> = {
  'single precision': (folder) => written(folder),
  F16: (folder) => written(folder, (x) => ({ ...x, dtype: 'float16', data: toHalf(x.data as Float32Array) })),
  '.pt, single precision': (folder) => {
    const from = written(folder);
    const script =
      'import sys, torch; from safetensors.torch import load_file; torch.save(load_file(sys.argv[1]), sys.argv[2])';
    try {
      const args = ['-c', script, join(folder, from), join(folder, 'model.pt')];
      execFileSync(TORCH_PYTHON, args, { stdio: 'ignore' });
    } catch {
      return undefined;
    }
    rmSync(join(folder, from));
    return 'model.pt';
  },
};

/** Writes open_clip's folder of a ViT-B/32. Returns the name of the file with the weights. */
function written(folder: string, stored: (tensor: Tensor) => Tensor = (tensor) => tensor): string {
  mkdirSync(folder, { recursive: true });
  const noise = random('loading');
  const pool = Float32Array.from({ length: 1 << 18 }, () => 0.04 * (noise.uniform() - 0.5));
  const tensors = Object.entries(SHAPES).map(([name, shape]): [string, Tensor] => {
    const data = new Float32Array(sizeOf(shape));
    for (let at = 0; at < data.length; at += pool.length) data.set(pool.subarray(0, data.length - at), at);
    return [name, stored(floatTensor(shape, data))];
  });
  const name = 'open_clip_model.safetensors';
  writeFileSync(join(folder, name), encodeSafetensors(new Map(tensors)));
  const text_cfg = { heads: 8 };
  writeFileSync(
    join(folder, 'open_clip_config.json'),
    JSON.stringify({ model_cfg: { quick_gelu: true, text_cfg } }),
  );
  writeFileSync(join(folder, 'tokenizer.json'), JSON.stringify(tokenizer()));
  return name;
}

const SHAPES: Readonly<Record<string, readonly number[]>> = {
  'visual.conv1.weight': [768, 3, 32, 32],
  'visual.class_embedding': [768],
  'visual.positional_embedding': [50, 768],
  ...pair('visual.ln_pre', 768),
  ...blocks('visual.transformer', 768),
  ...pair('visual.ln_post', 768),
  'visual.proj': [768, 512],
  'token_embedding.weight': [VOCABULARY, 512],
  positional_embedding: [77, 512],
  ...blocks('transformer', 512),
  ...pair('ln_final', 512),
  text_projection: [512, 512],
  logit_scale: [],
};

function pair(name: string, out: number, ...inputs: number[]): Record<string, readonly number[]> {
  return { [`${name}.weight`]: [out, ...inputs], [`${name}.bias`]: [out] };
}

function blocks(tower: string, width: number): Record<string, readonly number[]> {
  const shapes = Array.from({ length: 12 }, (_, i) => {
    const name = `${tower}.resblocks.${i}`;
    return {
      ...pair(`${name}.ln_1`, width),
      [`${name}.attn.in_proj_weight`]: [3 * width, width],
      [`${name}.attn.in_proj_bias`]: [3 * width],
      ...pair(`${name}.attn.out_proj`, width, width),
      ...pair(`${name}.ln_2`, width),
      ...pair(`${name}.mlp.c_fc`, 4 * width, width),
      ...pair(`${name}.mlp.c_proj`, width, 4 * width),
    };
  });
  return Object.assign({}, ...shapes);
}

/** A byte-pair tokenizer with as many tokens as CLIP's: words of two to four letters, each merged from a shorter one and a letter. */
function tokenizer() {
  const { model, ...others } = SMALL_TOKENIZER;
  const letters = Object.keys(model.vocab).filter((token) => /^[a-z]$/.test(token));
  const tokens = Object.keys(model.vocab);
  const merges: [string, string][] = [];
  for (let words = letters; tokens.length < VOCABULARY; ) {
    const pairs = words.flatMap((word) => letters.map((letter): [string, string] => [word, letter]));
    merges.push(...pairs.slice(0, VOCABULARY - tokens.length));
    words = pairs.map((parts) => parts.join(''));
    tokens.push(...words.slice(0, VOCABULARY - tokens.length));
  }
  return {
    ...others,
    model: { ...model, vocab: Object.fromEntries(tokens.map((token, id) => [token, id])), merges },
  };
}
