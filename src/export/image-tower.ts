import type { EncoderRecord, PairRecord } from '../encoder/record.ts';
import {
  type EncoderFiles,
  IMAGE_OUTPUTS,
  lazyTokenizer,
  outputNamed,
  pixelPort,
  textFeeds,
  tokenizerPlace,
} from '../encoder/tower.ts';
import type { PortInfo } from '../engine/types.ts';
import { ModelError } from '../errors.ts';
import type { Tensor } from '../math/tensor.ts';
import { type Named, type OnnxModel, parseModel, portType, pruned } from './onnx-model.ts';
import { withinFile } from './within-file.ts';

/** The part of an encoder that embeds pictures, as an ONNX model. */
export interface ImageTower {
  /** The model. It has only the nodes and weights that the embedding is computed from, and no external weights. */
  readonly model: OnnxModel;
  /** The input for pictures, [n, 3, side, side]. */
  readonly input: Port;
  /** The output with embeddings, [n, d]. */
  readonly output: Port;
  /** Constant values of the model's other inputs, such as an empty text if both towers are in one file. */
  readonly others: Readonly<Record<string, Tensor>>;
}

interface Port {
  readonly name: string;
  readonly half: boolean;
}

/** Name of the pooled feature in the built-in encoder's file. */
const BUILTIN_OUTPUTS = ['feature'];

/** The files of an encoder, whose models and weights are read as bytes. */
export interface TowerFiles extends EncoderFiles {
  model(path: string): Promise<Uint8Array>;
}

/**
 * The image tower of an encoder in ONNX. Throws `ModelError` if its model has no picture as input, or numbers in neither single nor half
 * precision.
 *
 * @param built the model, if it is not a file of the encoder
 */
export async function imageTower(
  record: EncoderRecord,
  files: TowerFiles,
  built?: Uint8Array,
): Promise<ImageTower> {
  const path = record.imageModel;
  const bytes = built ?? (await files.model(path));
  const model = parseModel(bytes);
  const names = record.kind === 'resnet50-minilm' ? BUILTIN_OUTPUTS : IMAGE_OUTPUTS;
  const output = outputNamed(model.graph.outputs.map(portInfo), names, path);
  const graph = pruned(model.graph, output);
  const weights = new Set(graph.initializers.map(({ name }) => name));
  const inputs = graph.inputs.filter(({ name }) => !weights.has(name));
  const pixels = inputs.find((input) => pixelPort([portInfo(input)])) ?? inputs[0];
  if (!pixels) {
    throw new ModelError(`${path} computes ${output} from no input`, {
      code: 'export/tower',
      details: { path },
    });
  }
  const initializers = await withinFile(graph.initializers, path, files.model);
  const others = inputs.filter((input) => input !== pixels).map(portInfo);
  return {
    model: { ...model, graph: { ...graph, inputs, initializers } },
    input: { name: pixels.name, half: isHalf(pixels, path) },
    output: { name: output, half: isHalf(graph.outputs[0]!, path) },
    others: record.kind === 'vision' ? {} : await blankText(others, record, files),
  };
}

async function blankText(
  inputs: readonly PortInfo[],
  record: PairRecord,
  files: TowerFiles,
): Promise<ImageTower['others']> {
  const tokens =
    inputs.length > 0
      ? (await lazyTokenizer(files, record.text, tokenizerPlace(record)).get()).encode('')
      : [];
  return textFeeds(inputs, [tokens], record.text);
}

const FLOAT = 1;
const INT32 = 6;
const FLOAT16 = 10;

function portInfo(port: Named): PortInfo {
  const { elements, rank } = portType(port);
  return { name: port.name, dtype: elements === INT32 ? 'int32' : 'int64', shape: Array(rank).fill(-1) };
}

function isHalf(port: Named, path: string): boolean {
  const { elements } = portType(port);
  if (elements === FLOAT || elements === FLOAT16) return elements === FLOAT16;
  throw new ModelError(`${path} has "${port.name}" in neither single nor half precision`, {
    code: 'export/tower',
    hint: 'Export the classifier alone with --input features.',
    details: { path, port: port.name, elements },
  });
}
