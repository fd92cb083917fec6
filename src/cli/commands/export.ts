import { hubName, isOnHub } from '../../classifier/classifier-file.ts';
import type { Dataset } from '../../dataset/types.ts';
import type { MeasuredLoss, OnnxInput } from '../../export/index.ts';
import { ONNX_INPUTS } from '../../export/inputs.ts';
import { choice, flag, optional, text } from '../../options.ts';
import { leftOut } from '../../report/left-out.ts';
import { percent } from '../../report/numbers.ts';
import { writeFileAtomic } from '../../store/atomic.ts';
import { count } from '../../words.ts';
import { defineCommand, jsonOption, noEffect } from '../command.ts';
import { evaluateOn, evaluationJson } from '../evaluate-on.ts';
import { bytes } from '../format.ts';
import { checkAllRead, PARTIAL_HINT } from '../images.ts';
import type { Io } from '../io.ts';
import { withClassifier } from '../open-classifier.ts';
import { checkOutput, checkOutputFolder } from '../output-checks.ts';
import { partJson, printJson } from '../print.ts';
import { readTold, tellUncovered } from '../told-data.ts';

/** The format that each option belongs to. */
const FOR = { input: ['onnx'], title: ['web'], quantise: ['onnx', 'web', 'site'] } as const;
const ENDINGS = { onnx: '.onnx', web: '.html', site: '', report: '.md' } as const;

export const exportCommand = defineCommand({
  args: ['<classifier>'],
  options: {
    to: choice(['onnx', 'web', 'site', 'report'], {
      default: 'onnx',
      help: 'onnx: a model for any ONNX runtime. web: a page that classifies pictures and camera images without a network. site: a folder for a static host, which tip-adapter/web opens in a page of your own. report: a model card and, with --data, a report.',
    }),
    output: optional(
      text({
        short: 'o',
        value: '<file>',
        help: 'The file to write, or for site the folder (default: beside the classifier).',
      }),
    ),
    input: optional(
      choice([...ONNX_INPUTS], {
        help: 'onnx: the input of the model: pictures as bytes (pixels, the default), normalised pictures (pixel_values), or the features of an encoder (features).',
      }),
    ),
    title: optional(
      text({ value: '<text>', help: 'web: the heading of the page (default: the name of the data set).' }),
    ),
    quantise: flag({
      help: "onnx, web, site: write the encoder's large weights in 8 bits, and print what that changes: on the pictures of --data, or on thumbnails of the examples.",
    }),
    data: optional(
      text({
        value: '<folder>',
        help: 'report: labelled pictures to evaluate the classifier on. With --quantise: labelled pictures to measure the loss on.',
      }),
    ),
    json: jsonOption,
  },
  computes: 'on-device',
  examples: [
    [
      'tip-adapter export pets.safetensors --to onnx',
      'Writes pets.onnx, a model from pixels to probabilities.',
    ],
    [
      'tip-adapter export pets.safetensors --to onnx --input features',
      'Writes the classifier without its encoder.',
    ],
    [
      'tip-adapter export pets.safetensors --to onnx --quantise --data test/',
      'Writes the encoder with 8-bit weights, and prints the accuracy on test/ before and after.',
    ],
    [
      'tip-adapter export pets.safetensors --to web --title "Our pets"',
      'Writes pets.html, which a browser opens without a network.',
    ],
    ['tip-adapter export pets.safetensors --to site', 'Writes the folder pets, for tip-adapter/web.'],
    [
      'tip-adapter export pets.safetensors --to report --data test/',
      'Writes pets.md, a model card, and pets.report.html.',
    ],
  ],
  async check([path], { to, output, json: _, ...options }) {
    for (const [option, kinds] of Object.entries(FOR)) {
      if ((options[option as keyof Values] ?? false) !== false && !kinds.some((kind) => kind === to))
        throw noEffect(option, `--to ${to}`, `Leave it out, or give --to ${kinds.join(' or --to ')}.`);
    }
    if (options.data !== undefined && to !== 'report' && !options.quantise)
      throw noEffect('data', `--to ${to}`, 'Leave it out, or give --quantise or --to report.');
    if (options.quantise && options.input === 'features')
      throw noEffect('quantise', '--input features', 'A model of features has no encoder. Leave one out.');
    const target = targetOf(path, { to, output });
    if (to === 'site') return checkOutputFolder(target);
    await checkOutput(target, [path, options.data]);
    if (to === 'report' && options.data !== undefined)
      await checkOutput(pageOf(target), [path, options.data]);
  },
  async run([path], { to, output, json, ...options }, io) {
    const {
      facts,
      lines,
      unread = [],
      tested = 0,
    } = await makers[to](path, targetOf(path, { to, output }), options, io);
    if (json) printJson(io, facts);
    else io.print(lines);
    checkAllRead(unread, { all: tested + unread.length, code: 'export/unreadable', hint: PARTIAL_HINT });
  },
});

function targetOf(path: string, { to, output }: { to: keyof typeof ENDINGS; output?: string }): string {
  if (output !== undefined) return output;
  const beside = isOnHub(path) ? hubName(path) : path.replace(/\.safetensors$/, '');
  return beside + ENDINGS[to];
}

/** The path of the report beside a model card. */
const pageOf = (card: string) => `${card.replace(/\.md$/, '')}.report.html`;

interface Values {
  readonly input?: OnnxInput;
  readonly title?: string;
  readonly quantise?: boolean;
  readonly data?: string;
}

/** The result of an export, as JSON and as text. */
interface Made {
  readonly facts: Readonly<Record<string, unknown>>;
  readonly lines: readonly string[];
  /** Unreadable pictures, which the figures do not cover, and the number of pictures that the figures cover. */
  readonly unread?: readonly string[];
  readonly tested?: number;
}

const makers: Readonly<
  Record<keyof typeof ENDINGS, (path: string, target: string, values: Values, io: Io) => Promise<Made>>
> = {
  async onnx(path, target, { input, quantise, data }, io) {
    const { exportOnnx } = await import('../../export/index.ts');
    const {
      bytes: content,
      quantised,
      ...facts
    } = await withClassifier(path, io, (classifier) =>
      measuredOn(data, io, (pictures) =>
        exportOnnx(classifier, { input, quantise, data: pictures, signal: io.signal }),
      ),
    );
    await writeFileAtomic(target, content);
    const ports = (list: typeof facts.inputs) =>
      list.map(({ name, dtype, shape }) => `${name} ${dtype} [${shape.join(', ')}]`).join(', ');
    tried(io, facts.difference, quantise);
    io.note('docs/export.md says how to run it.');
    const loss = await lossOf(quantised);
    return {
      ...loss,
      facts: { file: target, size: content.length, ...facts, ...loss.facts },
      lines: [
        `${target}: ${bytes(content.length)}`,
        `${ports(facts.inputs)} → ${ports(facts.outputs)}, operator set ${facts.opset}`,
        ...loss.lines,
      ],
    };
  },

  async web(path, target, { title, quantise, data }, io) {
    const { exportWeb } = await import('../../export/index.ts');
    const {
      bytes: content,
      difference,
      quantised,
    } = await withClassifier(path, io, (classifier) =>
      measuredOn(data, io, (pictures) =>
        exportWeb(classifier, { title, quantise, data: pictures, signal: io.signal }),
      ),
    );
    await writeFileAtomic(target, content);
    tried(io, difference, quantise);
    io.note(`Open ${target} in a browser; it needs no network.`);
    const loss = await lossOf(quantised);
    return {
      ...loss,
      facts: { file: target, size: content.length, difference, ...loss.facts },
      lines: [`${target}: ${bytes(content.length)}`, ...loss.lines],
    };
  },

  async site(path, target, { quantise, data }, io) {
    const { exportSite } = await import('../../export/index.ts');
    const { files, difference, quantised } = await withClassifier(path, io, (classifier) =>
      measuredOn(data, io, (pictures) =>
        exportSite(classifier, target, { quantise, data: pictures, signal: io.signal }),
      ),
    );
    const size = files.reduce((total, file) => total + file.bytes, 0);
    tried(io, difference, quantise);
    io.note('docs/web.md says how a page opens it.');
    const loss = await lossOf(quantised);
    return {
      ...loss,
      facts: { folder: target, size, files, difference, ...loss.facts },
      lines: [`${target}: ${count(files.length, 'file')}, ${bytes(size)}`, ...loss.lines],
    };
  },

  async report(path, target, { data }, io) {
    const { modelCard } = await import('../../export/index.ts');
    return withClassifier(path, io, async (classifier) => {
      if (data === undefined) {
        await writeFileAtomic(target, modelCard(classifier.data));
        io.note('With --data <folder>, the card also has the accuracy on labelled pictures.');
        return { facts: { file: target }, lines: [target] };
      }
      const { renderReport } = await import('../../report/index.ts');
      const { evalReport } = await import('../eval-report.ts');
      const page = pageOf(target);
      const { dataset, evaluation } = await evaluateOn(classifier, data, io);
      const command = `tip-adapter export ${path} --to report --data ${data}`;
      await writeFileAtomic(target, modelCard(classifier.data, evaluation));
      await writeFileAtomic(
        page,
        renderReport(await evalReport(classifier, evaluation, dataset, command, io.signal)),
      );
      const { accuracy, total, failures } = evaluation;
      return {
        facts: { file: target, report: page, ...evaluationJson(evaluation) },
        lines: [
          `${target}, ${page}`,
          `Accuracy ${percent(accuracy)} on ${count(total, 'picture')}`,
          ...leftOut(evaluation),
        ],
        unread: failures.map(({ image }) => image),
        tested: total,
      };
    });
  },
};

function tried(io: Io, difference: number, quantised = false): void {
  const whose = quantised ? 'that of the classifier with the same 8-bit encoder' : "the classifier's";
  const most = difference > 0 ? ` by more than ${difference.toExponential(0)}` : '';
  io.note(`Checked: on a trial input, no probability differs from ${whose}${most}.`);
}

/** Exports with the pictures that the loss is measured on, and prints the findings about them. */
async function measuredOn<T extends { readonly quantised?: MeasuredLoss }>(
  data: string | undefined,
  io: Io,
  make: (pictures?: Dataset | string) => Promise<T>,
): Promise<T> {
  if (data === undefined) return make();
  const pictures = await readTold(data, io);
  const made = await make(pictures);
  if (made.quantised) tellUncovered(io, made.quantised, pictures);
  return made;
}

/** The loss of quantisation as JSON and text, with the pictures that it does not cover. */
async function lossOf(measured: MeasuredLoss | undefined): Promise<Made> {
  if (!measured) return { facts: {}, lines: [] };
  const { lossInWords } = await import('../../export/index.ts');
  const { loss, failures, ...beside } = measured;
  const { line, warning } = lossInWords(loss);
  return {
    facts: { quantised: { ...loss, ...beside, ...partJson(failures) } },
    lines: [line, ...(warning === undefined ? [] : [warning]), ...leftOut(measured)],
    unread: failures.map(({ image }) => image),
    tested: loss.pictures,
  };
}
