import type { EncoderDescription } from '../../encoder/describe.ts';
import type { PullPlan } from '../../encoder/pull.ts';
import type { RegisteredEncoder } from '../../encoder/registry.ts';
import { UsageError } from '../../errors.ts';
import { choice, optional, text } from '../../options.ts';
import { count } from '../../words.ts';
import { defineCommand, jsonOption } from '../command.ts';
import { bytes } from '../format.ts';
import { checkOutput } from '../output-checks.ts';
import { printJson, tableLines } from '../print.ts';
import { pullBar } from '../progress-bars.ts';

/** The aims by which an encoder may be chosen. */
const AIMS = ['speed', 'accuracy', 'languages'] as const;

export const listCommand = defineCommand({
  args: [],
  options: {
    for: optional(
      choice(AIMS, {
        help: 'Sort by measured speed or by published accuracy, or list the encoders that read class names in many languages. Encoders without a figure come last.',
      }),
    ),
    json: jsonOption,
  },
  examples: [
    ['tip-adapter encoders list', 'Lists names, sizes, licences, and which encoders are installed.'],
    [
      'tip-adapter encoders list --for accuracy',
      'Lists the encoder with the highest published accuracy first.',
    ],
  ],
  async run(_, { for: aim, json }, io) {
    const { listEncoders } = await import('../../encoder/installed.ts');
    const { REGISTRY } = await import('../../encoder/registry.ts');
    const local = await listEncoders();
    const here = new Set(local.map(({ record }) => record.id));
    const named = REGISTRY.map(
      ({ id, dimension, megabytes, licence, about, languages, milliseconds, imagenet }) => {
        return {
          id,
          here: here.has(id),
          dimension,
          megabytes,
          licence,
          about,
          languages,
          milliseconds,
          imagenet,
        };
      },
    );
    const others = local
      .filter(({ record }) => !REGISTRY.some(({ id }) => id === record.id))
      .map(({ record: { id, dimension, licence, source, files } }): Listed => {
        const megabytes = Math.round(files.reduce((sum, file) => sum + file.bytes, 0) / 1e6);
        return { id, here: true, dimension, megabytes, licence, about: source };
      });
    const rows = suited([...named, ...others], aim);
    if (json) return printJson(io, rows);
    const table = tableLines(io, {
      rows,
      columns: [
        { title: 'Encoder', value: ({ id }) => id },
        { title: 'Installed', value: (row) => (row.here ? 'yes' : '') },
        { title: 'Size', value: ({ megabytes }) => `${megabytes} MB`, align: 'right' },
        { title: 'Dim', value: ({ dimension }) => dimension, align: 'right' },
        { title: 'ImageNet', value: ({ imagenet }) => imagenet?.accuracy.toFixed(1) ?? '', align: 'right' },
        { title: 'ms', value: ({ milliseconds }) => milliseconds ?? '', align: 'right' },
        { title: 'Licence', value: ({ licence }) => licence },
        { title: 'Description', value: ({ about }) => about },
      ],
    });
    io.print(table);
    io.note(LEGEND);
  },
});

const LEGEND =
  'ImageNet: published zero-shot accuracy in percent, of the model in single precision. ' +
  'ms: milliseconds of the image tower for a picture on two cores of an AMD EPYC, where they were measured.';

interface Listed extends Partial<Pick<RegisteredEncoder, 'languages' | 'milliseconds' | 'imagenet'>> {
  readonly id: string;
  readonly here: boolean;
  readonly dimension: number;
  readonly megabytes: number;
  readonly licence: string;
  readonly about: string;
}

/** The encoders for an aim, the best one first. Encoders with equal or no figures keep their order. */
function suited(rows: readonly Listed[], aim: (typeof AIMS)[number] | undefined): readonly Listed[] {
  const accuracy = ({ imagenet }: Listed) => -(imagenet?.accuracy ?? 0);
  const by = (rank: (row: Listed) => number) => [...rows].sort((a, b) => rank(a) - rank(b));
  switch (aim) {
    case 'speed':
      return by(({ milliseconds = 1e9 }) => milliseconds);
    case 'accuracy':
      return by(accuracy);
    case 'languages':
      return by(accuracy).filter(({ languages }) => languages === 'many');
    default:
      return rows;
  }
}

export const pullCommand = defineCommand({
  args: ['[name]'],
  computes: 'on-cpu',
  options: {
    fromBundle: optional(
      text({ value: '<zip>', help: 'Install the encoder from a bundle instead of the network.' }),
    ),
    json: jsonOption,
  },
  examples: [
    ['tip-adapter encoders pull clip-vit-b32', 'Downloads CLIP, by OpenAI, from the Hugging Face hub.'],
    ['tip-adapter encoders pull hf:owner/repo', 'Downloads any dual encoder that was exported to ONNX.'],
    [
      'tip-adapter encoders pull --from-bundle carried.zip',
      'Installs an encoder on a machine without a network.',
    ],
  ],
  async run([name], { fromBundle, json }, io) {
    if (!name === !fromBundle) {
      const { DEFAULT_CLIP } = await import('../../encoder/registry.ts');
      const { BUILTIN_ID } = await import('../../encoder/builtin/packages.ts');
      throw new UsageError('Give either the name of an encoder or --from-bundle', {
        code: 'usage',
        hint: name
          ? 'A bundle has the name of its encoder. Leave the other name out.'
          : `Give a name, such as ${BUILTIN_ID} (the built-in encoder) or ${DEFAULT_CLIP} (a small CLIP). The command "tip-adapter encoders list" lists all names.`,
      });
    }
    if (fromBundle) {
      const { unbundle } = await import('../../encoder/bundle.ts');
      const { record, folder, classifier } = await unbundle(fromBundle, { signal: io.signal });
      if (json) return printJson(io, { id: record.id, folder, classifier });
      io.print([record.id, ...(classifier ? [classifier] : [])]);
      return;
    }
    const { pullEncoder } = await import('../../encoder/pull.ts');
    const bar = pullBar(io);
    try {
      const { record, folder } = await pullEncoder(name!, {
        signal: io.signal,
        onProgress: bar.onPull,
        async confirm(plan) {
          io.note(announce(plan));
          return true;
        },
      });
      if (json) printJson(io, { id: record.id, folder });
      else io.print(`${record.id}: in ${folder}`);
    } finally {
      bar.done();
    }
  },
});

function announce({ id, source, bytes: size, licence }: PullPlan): string {
  return `Downloading ${id} from ${source}: ${size ? bytes(size) : 'size unknown'}, licence ${licence}.`;
}

export const showCommand = defineCommand({
  args: ['<name>'],
  options: { json: jsonOption },
  examples: [['tip-adapter encoders show clip-vit-b32', 'Prints its size, source and licence.']],
  async run([name], { json }, io) {
    const { describeEncoder } = await import('../../encoder/describe.ts');
    const found = await describeEncoder(name);
    if (json) return printJson(io, plain(found));
    io.print(facts(found).map(([label, value]) => `${label.padEnd(13)}${value}`));
  },
});

function plain({ registered, local }: EncoderDescription) {
  const { id, dimension, licence, revision, precision } = { ...registered, ...local?.record };
  return {
    id,
    about: registered?.about,
    dimension,
    licence,
    source: sourceOf({ registered, local }),
    fineTuned: local?.record.kind === 'dual' ? local.record.fineTuned : undefined,
    revision,
    precision,
    languages: registered?.languages,
    imagenet: registered?.imagenet,
    milliseconds: registered?.milliseconds,
    megabytes: registered?.megabytes,
    template: local?.record.defaults.template,
    installed: local && {
      folder: local.folder,
      bytes: local.bytes,
      fingerprint: local.record.fingerprint,
    },
  };
}

const sourceOf = ({ registered, local }: EncoderDescription) =>
  local?.record.source ?? (registered?.repo && `hf:${registered.repo}`);

/** The encoder that a fine-tuned one was made from, and the number of pictures that it was fine-tuned on. */
function fineTunedText(local: EncoderDescription['local']): string | undefined {
  const { fineTuned } = local?.record.kind === 'dual' ? local.record : {};
  if (!fineTuned) return undefined;
  const { parent, pictures, prompts } = fineTuned;
  const revision = parent.revision === undefined ? '' : `, revision ${parent.revision},`;
  return `from ${parent.id}${revision} on ${count(pictures.length, 'picture')} of ${count(prompts.length, 'class', 'classes')}`;
}

function facts({ registered, local }: EncoderDescription): [string, string | number][] {
  const facts: [string, string | number | undefined][] = [
    ['Encoder', local?.record.id ?? registered?.id],
    ['About', registered?.about],
    [
      'Installed',
      local ? `yes, ${bytes(local.bytes)} in ${local.folder}` : `no, ${registered?.megabytes} MB to download`,
    ],
    ['Dimension', local?.record.dimension ?? registered?.dimension],
    ['Licence', registered?.licence ?? local?.record.licence],
    ['Source', sourceOf({ registered, local })],
    ['Fine-tuned', fineTunedText(local)],
    ['Revision', local?.record.revision ?? registered?.revision],
    ['Precision', registered?.precision ?? local?.record.precision],
    ['Class names', registered && (registered.languages === 'many' ? 'in many languages' : 'in English')],
    [
      'ImageNet',
      registered?.imagenet && `${registered.imagenet.accuracy}% zero-shot (${registered.imagenet.source})`,
    ],
    [
      'Time',
      registered?.milliseconds &&
        `${registered.milliseconds} ms in the image tower for a picture, on two cores of an AMD EPYC`,
    ],
    ['Fingerprint', local?.record.fingerprint],
    ['Prompt', local?.record.defaults.template],
  ];
  return facts.filter((fact): fact is [string, string | number] => fact[1] !== undefined);
}

export const removeCommand = defineCommand({
  args: ['<name>'],
  options: { json: jsonOption },
  examples: [
    ['tip-adapter encoders remove clip-vit-b32', 'Frees its disk space. The encoder can be pulled again.'],
  ],
  async run([name], { json }, io) {
    const { removeEncoder } = await import('../../encoder/installed.ts');
    const { withoutSuffix } = await import('../../encoder/pre-projection.ts');
    // Pre-projection features are computed from the files of the plain encoder.
    const id = withoutSuffix(name) ?? name;
    const freed = await removeEncoder(id);
    if (json) printJson(io, { id, bytes: freed });
    else io.print(`${id}: removed, ${bytes(freed)} freed`);
  },
});

export const bundleCommand = defineCommand({
  args: ['<name>', '<file>'],
  options: {
    classifier: optional(text({ value: '<file>', help: 'A classifier file to put into the bundle.' })),
    json: jsonOption,
  },
  examples: [
    [
      'tip-adapter encoders bundle clip-vit-b32 carried.zip --classifier pets.safetensors',
      'Puts the encoder and the classifier into one file.',
    ],
    ['tip-adapter encoders bundle ./clip carried.zip', 'Puts an encoder in a folder into a file.'],
  ],
  async run([name, path], { classifier, json }, io) {
    const { bundleEncoder } = await import('../../encoder/write-bundle.ts');
    await checkOutput(path, [classifier]);
    const size = await bundleEncoder(name, path, { classifier, signal: io.signal });
    if (json) printJson(io, { file: path, bytes: size });
    else io.print(`${path}: ${bytes(size)}`);
    io.note(`On the other machine, run: tip-adapter encoders pull --from-bundle ${path}`);
  },
});
