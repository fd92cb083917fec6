import { modelMessage } from '../graph/onnx.ts';
import { bytesField, Message, textField } from '../graph/protobuf.ts';
import { fieldsOf, textOf, type WireField } from '../graph/wire.ts';

/**
 * The parts of an ONNX file that are needed to join two of them: the nodes with the names of their inputs and outputs. Everything
 * else (attributes, weights, shapes) is kept as bytes. Field numbers are those of onnx.proto
 * (https://github.com/onnx/onnx/blob/main/onnx/onnx.proto).
 */
export interface OnnxModel {
  /** Version of the file format. */
  readonly ir: number;
  /** Version of each operator set by its domain; the standard one is ''. */
  readonly opsets: ReadonlyMap<string, number>;
  /** FunctionProto messages: operators that the file defines itself. */
  readonly functions: readonly Uint8Array[];
  readonly graph: OnnxGraph;
}

export interface OnnxGraph {
  readonly nodes: readonly OnnxNode[];
  /** TensorProto messages. */
  readonly initializers: readonly Named[];
  /** ValueInfoProto messages: number type and shape. */
  readonly inputs: readonly Named[];
  readonly outputs: readonly Named[];
  readonly values: readonly Named[];
}

export interface OnnxNode {
  readonly type: string;
  readonly domain: string;
  readonly inputs: readonly string[];
  readonly outputs: readonly string[];
  /** AttributeProto messages. */
  readonly attributes: readonly Uint8Array[];
  /** Selects one of several functions of the same name (IR version 10). */
  readonly overload: string;
}

/** A message that names a value. */
export interface Named {
  readonly name: string;
  readonly bytes: Uint8Array;
}

const TENSOR_NAME = 8;
const VALUE_NAME = 1;
const SUBGRAPHS = [6, 11];

/** Parses the bytes of an ONNX file. Throws `ModelError` if they are not a protocol buffer. */
export function parseModel(bytes: Uint8Array): OnnxModel {
  const fields = fieldsOf(bytes);
  const all = (number: number) => contents(fields, number);
  return {
    ir: fields.find(({ number }) => number === 1)?.integer ?? 0,
    opsets: new Map(
      all(8).map((opset) => {
        const inner = fieldsOf(opset);
        return [domainOf(inner, 1), inner.find(({ number }) => number === 2)?.integer ?? 0];
      }),
    ),
    functions: all(25),
    graph: parseGraph(all(7)[0] ?? new Uint8Array()),
  };
}

/** The file's bytes, with `metadata` as its metadata_props. */
export function encodeModel(
  { ir, opsets, functions, graph }: OnnxModel,
  metadata: Readonly<Record<string, string>>,
): Uint8Array {
  const model = modelMessage(encodeGraph(graph), { ir, opsets, metadata });
  for (const definition of functions) bytesField(model, 25, definition);
  return model.bytes();
}

export function parseGraph(bytes: Uint8Array): OnnxGraph {
  const fields = fieldsOf(bytes);
  const named = (number: number, nameField: number): Named[] =>
    contents(fields, number).map((message) => ({ name: text(fieldsOf(message), nameField), bytes: message }));
  return {
    nodes: contents(fields, 1).map(parseNode),
    initializers: named(5, TENSOR_NAME),
    inputs: named(11, VALUE_NAME),
    outputs: named(12, VALUE_NAME),
    values: named(13, VALUE_NAME),
  };
}

function parseNode(bytes: Uint8Array): OnnxNode {
  const fields = fieldsOf(bytes);
  const names = (wanted: number) => fields.filter(({ number }) => number === wanted).map(textOf);
  return {
    inputs: names(1),
    outputs: names(2),
    type: text(fields, 4),
    attributes: contents(fields, 5),
    domain: domainOf(fields, 7),
    overload: text(fields, 8),
  };
}

function encodeGraph({ nodes, initializers, inputs, outputs, values }: OnnxGraph): Message {
  const graph = new Message();
  for (const node of nodes) {
    const message = new Message();
    for (const name of node.inputs) textField(message, 1, name);
    for (const name of node.outputs) textField(message, 2, name);
    // A node has the name of its first result, for programs that show graphs.
    const [name] = node.outputs.filter((output) => output !== '');
    if (name !== undefined) textField(message, 3, name);
    textField(message, 4, node.type);
    for (const attribute of node.attributes) bytesField(message, 5, attribute);
    if (node.domain) textField(message, 7, node.domain);
    if (node.overload) textField(message, 8, node.overload);
    bytesField(graph, 1, message);
  }
  textField(graph, 2, 'tip-adapter');
  for (const initializer of initializers) bytesField(graph, 5, withName(initializer, TENSOR_NAME));
  for (const [number, ports] of [
    [11, inputs],
    [12, outputs],
    [13, values],
  ] as const) {
    for (const port of ports) bytesField(graph, number, withName(port, VALUE_NAME));
  }
  return graph;
}

function withName({ name, bytes }: Named, nameField: number): Message {
  const message = new Message();
  for (const { number, raw } of fieldsOf(bytes)) if (number !== nameField) message.push(raw);
  textField(message, nameField, name);
  return message;
}

/** The graph with all values renamed, also in the graphs inside its nodes (branches, loops). */
export function renamed(graph: OnnxGraph, rename: (name: string) => string): OnnxGraph {
  // An empty name stands for an optional operand that is left out.
  const named = (name: string) => (name === '' ? '' : rename(name));
  const ports = (list: readonly Named[]) => list.map(({ name, bytes }) => ({ name: named(name), bytes }));
  return {
    nodes: graph.nodes.map((node) => ({
      ...node,
      inputs: node.inputs.map(named),
      outputs: node.outputs.map(named),
      attributes: node.attributes.map((attribute) => withinAttribute(attribute, rename)),
    })),
    initializers: ports(graph.initializers),
    inputs: ports(graph.inputs),
    outputs: ports(graph.outputs),
    values: ports(graph.values),
  };
}

function withinAttribute(attribute: Uint8Array, rename: (name: string) => string): Uint8Array {
  const fields = fieldsOf(attribute);
  if (!fields.some(({ number }) => SUBGRAPHS.includes(number))) return attribute;
  const message = new Message();
  for (const { number, raw, content } of fields) {
    if (SUBGRAPHS.includes(number))
      bytesField(message, number, encodeGraph(renamed(parseGraph(content), rename)));
    else message.push(raw);
  }
  return message.bytes();
}

/** The part of the graph that `output` is computed from: nodes, weights and inputs. */
export function pruned(graph: OnnxGraph, output: string): OnnxGraph {
  const needed = new Set([output]);
  const nodes = graph.nodes.toReversed().filter((node) => {
    if (!node.outputs.some((name) => needed.has(name))) return false;
    for (const name of namesReadBy(node)) needed.add(name);
    return true;
  });
  const kept = (list: readonly Named[]) => list.filter(({ name }) => needed.has(name));
  const { initializers, inputs, values } = graph;
  return {
    nodes: nodes.reverse(),
    initializers: kept(initializers),
    inputs: kept(inputs),
    outputs: graph.outputs.filter(({ name }) => name === output),
    values: kept(values),
  };
}

/** Names of a node's inputs, and all names in the graphs inside it. */
export function namesReadBy({ inputs, attributes }: OnnxNode): string[] {
  const inner = attributes
    .flatMap((attribute) => SUBGRAPHS.flatMap((number) => contents(fieldsOf(attribute), number)))
    .map(parseGraph)
    .flatMap(({ nodes, outputs }) => [...nodes.flatMap(namesReadBy), ...outputs.map(({ name }) => name)]);
  return [...inputs, ...inner];
}

/** Number type (TensorProto.DataType) and number of axes of an input or output. */
export function portType({ bytes }: Named): { elements: number; rank: number } {
  const inner = (message: Uint8Array | undefined, number: number) =>
    message && contents(fieldsOf(message), number)[0];
  const tensor = inner(inner(bytes, 2), 1);
  const shape = inner(tensor, 2);
  return {
    elements: (tensor && fieldsOf(tensor).find(({ number }) => number === 1)?.integer) ?? 0,
    rank: shape ? contents(fieldsOf(shape), 1).length : 0,
  };
}

function contents(fields: readonly WireField[], wanted: number): Uint8Array[] {
  return fields.filter(({ number }) => number === wanted).map(({ content }) => content);
}

function text(fields: readonly WireField[], wanted: number): string {
  const found = fields.find(({ number }) => number === wanted);
  return found ? textOf(found) : '';
}

/** The domain of operators. The standard one has two names, 'ai.onnx' and the empty one, and gets the latter. */
function domainOf(fields: readonly WireField[], wanted: number): string {
  const domain = text(fields, wanted);
  return domain === 'ai.onnx' ? '' : domain;
}
