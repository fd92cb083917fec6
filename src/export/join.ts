import { ModelError } from '../errors.ts';
import type { OnnxWriter } from '../graph/expression.ts';
import { graphWriter, valueInfo } from '../graph/onnx.ts';
import { Message } from '../graph/protobuf.ts';
import { fieldsOf, integersOf, textOf, type WireField } from '../graph/wire.ts';
import type { Preprocessing } from '../image/types.ts';
import { floatTensor } from '../math/tensor.ts';
import { fragment } from './fragment.ts';
import type { ImageTower } from './image-tower.ts';
import { type OnnxGraph, type OnnxModel, type OnnxNode, parseGraph, renamed } from './onnx-model.ts';

/** Input of a joined model: `pixels` uint8 [n, side, side, 3], or `pixel_values` float32 [n, 3, side, side], normalised. */
export type PictureInput = 'pixels' | 'pixel_values';

/** Oldest version of the standard operator set in which the appended operators have their present meaning. */
const OLDEST_OPSET = 13;
/** From this version on, reductions take their axes as an input. */
export const AXES_AS_INPUT = 18;
/** Version of the file format of the appended part. From version 4 on, constants need not be inputs. */
const IR = 8;

/**
 * Joins an encoder's image tower and a classifier (`headGraph` as ONNX) into one model. Names of inner values are prefixed by their
 * part, so that they do not collide. The tower keeps its operator set, and the classifier's operators are converted to that
 * version. Throws `ModelError` (`export/opset`) if the tower's operator set is older than 13.
 */
export function joinModels(
  tower: ImageTower,
  head: OnnxModel,
  preprocessing: Preprocessing,
  input: PictureInput,
): OnnxModel {
  const { opsets, ir, functions } = tower.model;
  const opset = checkOpset(opsets.get(''));
  const fed = fragment(
    'pixels',
    (write) => {
      const values = input === 'pixels' ? lookUp(write, preprocessing) : input;
      return tower.input.half ? write.node('Cast', [values], { to: FLOAT16 }) : values;
    },
    [input],
  );
  const constants = Object.entries(tower.others).map(
    ([name, tensor]) => [name, fragment(`others/${name}`, (write) => write.tensor(tensor))] as const,
  );
  const sources = new Map([
    [tower.input.name, fed.output],
    ...constants.map(([name, { output }]) => [name, output] as const),
  ]);
  const encoder = renamed(tower.model.graph, (name) => sources.get(name) ?? `encoder/${name}`);
  const embedded = `encoder/${tower.output.name}`;
  const features = fragment(
    'features',
    (write) => (tower.output.half ? write.node('Cast', [embedded], { to: FLOAT }) : embedded),
    [embedded],
  );
  const outputs = head.graph.outputs.map(({ name }) => name);
  const classifier = renamed(suited(head.graph, opset), (name) => {
    if (name === 'features') return features.output;
    return outputs.includes(name) ? name : `classifier/${name}`;
  });
  const parts = [fed.graph, ...constants.map(([, { graph }]) => graph), encoder, features.graph, classifier];
  return {
    ir: Math.max(ir, IR),
    opsets,
    functions,
    graph: {
      nodes: parts.flatMap(({ nodes }) => nodes),
      initializers: parts.flatMap(({ initializers }) => initializers),
      inputs: [{ name: input, bytes: inputInfo(input, preprocessing.crop) }],
      outputs: classifier.outputs,
      values: encoder.values.filter(({ name }) => name.startsWith('encoder/')),
    },
  };
}

const FLOAT = 1;
const INT32 = 6;
const FLOAT16 = 10;

function inputInfo(input: PictureInput, side: number): Uint8Array {
  const info =
    input === 'pixels'
      ? ({ dtype: 'uint8', shape: ['n', side, side, 3] } as const)
      : ({ dtype: 'float32', shape: ['n', 3, side, side] } as const);
  return valueInfo(input, info).bytes();
}

const LEVELS = 256;

/** Nodes that normalise `pixels` to planes [n, 3, h, w]. They look each of a channel's 256 levels up in a table, which is exact. */
function lookUp(write: OnnxWriter, { channels, scale, mean, std }: Preprocessing): string {
  const bgr = channels === 'bgr';
  const table = Float32Array.from({ length: 3 * LEVELS }, (_, at) => {
    const channel = Math.floor(at / LEVELS);
    const k = bgr ? 2 - channel : channel;
    return ((at % LEVELS) * scale - mean[k]!) / std[k]!;
  });
  const firsts = { dtype: 'int32', shape: [3], data: Int32Array.of(0, LEVELS, 2 * LEVELS) } as const;
  const places = write.node('Add', [write.node('Cast', ['pixels'], { to: INT32 }), write.tensor(firsts)]);
  const values = write.node('Gather', [write.tensor(floatTensor([3 * LEVELS], table)), places], { axis: 0 });
  const planes = write.node('Transpose', [values], { perm: [0, 3, 1, 2] });
  return bgr ? write.node('Gather', [planes, write.integers([2, 1, 0])], { axis: 1 }) : planes;
}

function checkOpset(opset: number | undefined): number {
  if (opset !== undefined && opset >= OLDEST_OPSET) return opset;
  throw new ModelError(
    `The encoder's ONNX file uses ${opset === undefined ? 'no standard operator set' : `operator set ${opset}`}; at least ${OLDEST_OPSET} is needed`,
    {
      code: 'export/opset',
      hint: `Export the encoder again with opset ${OLDEST_OPSET} or newer, or export the classifier alone with --input features.`,
      details: { opset, oldest: OLDEST_OPSET },
    },
  );
}

/** Whether an attribute has this name. The name is its first field. */
function isNamed([name]: readonly WireField[], wanted: string): boolean {
  return name !== undefined && textOf(name) === wanted;
}

/** Converts the classifier's graph from operator set 17 to another one. */
function suited(graph: OnnxGraph, opset: number): OnnxGraph {
  if (opset < AXES_AS_INPUT) return graph;
  const message = new Message();
  const write = graphWriter(message);
  const nodes = graph.nodes.map((node): OnnxNode => {
    const axes = node.attributes.map(fieldsOf).find((fields) => isNamed(fields, 'axes'));
    if (!axes || !/^Reduce(Max|Prod)$/.test(node.type)) return node;
    const values = axes.filter(({ number }) => number === 8).flatMap(integersOf);
    return {
      ...node,
      inputs: [...node.inputs, `axes/${write.integers(values)}`],
      attributes: node.attributes.filter((attribute) => !isNamed(fieldsOf(attribute), 'axes')),
    };
  });
  const axes = renamed(parseGraph(message.bytes()), (name) => `axes/${name}`);
  return { ...graph, nodes, initializers: [...graph.initializers, ...axes.initializers] };
}
