import type { OnnxExport, WebExport } from '../../export/index.ts';
import { ONNX_INPUTS } from '../../export/inputs.ts';
import { choice, optional, text } from '../../options.ts';
import { writeFileAtomic } from '../../store/atomic.ts';
import { defineCommand, jsonOption } from '../command.ts';
import { printJson } from '../print.ts';
import { bytes } from '../wording.ts';
import { checkOutput, withClassifier } from '../work.ts';

const ENDINGS = { onnx: '.onnx', web: '.html' } as const;

export const exportCommand = defineCommand({
  args: ['<classifier>'],
  options: {
    to: choice(['onnx', 'web'], {
      default: 'onnx',
      help: 'A model for any ONNX runtime, or a page that classifies pictures and the camera without a network.',
    }),
    output: optional(
      text({
        short: 'o',
        value: '<file>',
        help: "Where it is written (default: beside the classifier's file).",
      }),
    ),
    input: choice([...ONNX_INPUTS], {
      default: 'pixels',
      help: 'onnx: what the model is fed: pictures as bytes, pictures normalised, or the features of an encoder.',
    }),
    title: optional(
      text({ value: '<text>', help: "web: the page's heading (default: the data set's name)." }),
    ),
    json: jsonOption,
  },
  computes: true,
  examples: [
    ['tip-adapter export pets.safetensors --to onnx', 'pets.onnx: from pixels to probabilities.'],
    [
      'tip-adapter export pets.safetensors --to onnx --input features',
      'The classifier alone, without its encoder.',
    ],
    [
      'tip-adapter export pets.safetensors --to web --title "Our pets"',
      'pets.html: opens in a browser, off line.',
    ],
  ],
  async run([path], { to, output, input, title, json }, io) {
    const target = output ?? path.replace(/(\.safetensors)?$/, ENDINGS[to]);
    await checkOutput(target);
    const { exportOnnx, exportWeb } = await import('../../export/index.ts');
    const { signal } = io;
    const made = await withClassifier<OnnxExport | WebExport>(path, async (classifier) => {
      if (to === 'onnx') return exportOnnx(classifier, { input, signal });
      return exportWeb(classifier, { title, signal });
    });
    await writeFileAtomic(target, made.bytes);
    const { bytes: content, ...facts } = made;
    if (json) return printJson(io, { file: target, size: content.length, ...facts });
    io.stdout.write(`${target}: ${bytes(content.length)}\n`);
    if ('opset' in made) {
      const ports = (list: typeof made.inputs) =>
        list.map(({ name, dtype, shape }) => `${name} ${dtype} [${shape.join(', ')}]`).join(', ');
      io.stdout.write(`${ports(made.inputs)} → ${ports(made.outputs)}, operator set ${made.opset}\n`);
    }
    io.note(
      `Tried: no probability differs from the classifier's by more than ${made.difference.toExponential(0)}.`,
    );
    io.note(
      to === 'web' ? `Open ${target} in a browser; it needs no network.` : 'How to run it: docs/export.md.',
    );
  },
});
