import { UsageError } from '../errors.ts';
import { bytesPerNumber, type DType, type StoredTensor, sizeOf, type Tensor } from '../math/tensor.ts';
import {
  type Expr,
  isInput,
  type OnnxAttribute,
  type OnnxWriter,
  type Shape,
  topological,
} from './expression.ts';
import { bytesField, Message, packedField, textField, varintField } from './protobuf.ts';
import { simplify } from './simplify.ts';

/**
 * Writes a graph as the bytes of an ONNX model (opset 17, IR version 8), which ONNX Runtime runs on every platform.
 * Field numbers are those of onnx.proto (https://github.com/onnx/onnx/blob/main/onnx/onnx.proto).
 */
export function toOnnx(
  outputs: Readonly<Record<string, Expr>>,
  { metadata = {} }: { metadata?: Record<string, string> } = {},
): Uint8Array<ArrayBuffer> {
  return toLocatedOnnx(outputs, metadata);
}

/** The same with `stored` tensors where `located` says; by default in their own files. */
export function toLocatedOnnx(
  outputs: Readonly<Record<string, Expr>>,
  metadata: Readonly<Record<string, string>>,
  located?: Located,
): Uint8Array<ArrayBuffer> {
  const simple = simplify(outputs);
  const graph = new Message();
  const names = new Map<Expr, string>();
  const write = graphWriter(graph, located);
  const inputs = new Map<string, Expr>();

  for (const expr of topological(Object.values(simple))) {
    if (isInput(expr)) inputs.set(expr.attributes.name, expr);
    const operands = expr.operands.map((operand) => names.get(operand) as string);
    names.set(expr, expr.op.onnx(operands, expr.attributes, write, expr));
  }
  textField(graph, 2, 'tip-adapter');
  for (const [name, expr] of inputs) bytesField(graph, 11, valueInfo(name, expr));
  for (const [name, expr] of Object.entries(simple)) {
    if (inputs.has(name))
      throw new UsageError(`"${name}" is the name of both an input and an output`, { code: 'graph/names' });
    write.rename(names.get(expr) as string, name);
    bytesField(graph, 12, valueInfo(name, expr));
  }

  return modelMessage(graph, { ir: 8, opsets: [['', 17]], metadata }).bytes();
}

/** A ModelProto around a GraphProto; `opsets` are versions by domain. */
export function modelMessage(
  graph: Message,
  {
    ir,
    opsets,
    metadata,
  }: {
    ir: number;
    opsets: Iterable<readonly [domain: string, version: number]>;
    metadata: Readonly<Record<string, string>>;
  },
): Message {
  const model = new Message();
  varintField(model, 1, ir);
  textField(model, 2, 'tip-adapter');
  bytesField(model, 7, graph);
  for (const [domain, version] of opsets) {
    const opset = new Message();
    textField(opset, 1, domain);
    varintField(opset, 2, version);
    bytesField(model, 8, opset);
  }
  for (const [key, value] of Object.entries(metadata)) {
    const entry = new Message();
    textField(entry, 1, key);
    textField(entry, 2, value);
    bytesField(model, 14, entry);
  }
  return model;
}

/** TensorProto.DataType. */
const ONNX_TYPES: Readonly<Record<DType, number>> = {
  float32: 1,
  uint8: 2,
  int8: 3,
  int32: 6,
  int64: 7,
  bool: 9,
  float16: 10,
  float64: 11,
  bfloat16: 16,
};

/** Returns where a model finds a tensor of a file. */
export type Located = (place: StoredTensor) => StoredTensor;

/** Writes nodes and constants into a GraphProto; `rename` gives a result a second name. */
export function graphWriter(
  graph: Message,
  located: Located = (place) => place,
): OnnxWriter & { rename(from: string, to: string): void } {
  let serial = 0;
  const integerConstants = new Map<string, string>();
  const taken = new Set<string>();
  const tensor = (value: Tensor, wanted = 'constant'): string => {
    const name = wanted === 'constant' || taken.has(wanted) ? `${wanted}_${serial++}` : wanted;
    taken.add(name);
    bytesField(graph, 5, tensorProto(name, value));
    return name;
  };
  const node = (
    type: string,
    inputs: readonly string[],
    attributes: Record<string, OnnxAttribute> = {},
    output?: string,
  ) => {
    const name = output ?? `${type}_${serial++}`;
    const proto = new Message();
    for (const input of inputs) textField(proto, 1, input);
    textField(proto, 2, name);
    // The node has the name of its result, for programs that show graphs.
    textField(proto, 3, name);
    textField(proto, 4, type);
    for (const [key, value] of Object.entries(attributes)) bytesField(proto, 5, attributeProto(key, value));
    bytesField(graph, 1, proto);
    return name;
  };
  return {
    node: (type, inputs, attributes) => node(type, inputs, attributes),
    tensor,
    stored: (place) => {
      const name = `stored_${serial++}`;
      bytesField(graph, 5, storedProto(name, located(place)));
      return name;
    },
    integers: (values) => {
      const key = values.join(',');
      let name = integerConstants.get(key);
      if (!name) {
        name = tensor({ dtype: 'int64', shape: [values.length], data: BigInt64Array.from(values, BigInt) });
        integerConstants.set(key, name);
      }
      return name;
    },
    rename: (from, to) => void node('Identity', [from], {}, to),
  };
}

function tensorProto(name: string, { dtype, shape, data }: Tensor): Message {
  const proto = new Message();
  packedField(proto, 1, shape);
  varintField(proto, 2, ONNX_TYPES[dtype]);
  textField(proto, 8, name);
  bytesField(proto, 9, new Uint8Array(data.buffer, data.byteOffset, data.byteLength));
  return proto;
}

/** A tensor with external data (TensorProto.external_data and data_location). */
function storedProto(name: string, stored: StoredTensor): Message {
  const { dtype, shape, file, offset } = stored;
  const proto = new Message();
  packedField(proto, 1, shape);
  varintField(proto, 2, ONNX_TYPES[dtype]);
  textField(proto, 8, name);
  const length = sizeOf(shape) * bytesPerNumber(stored);
  for (const [key, value] of Object.entries({ location: file, offset, length })) {
    const entry = new Message();
    textField(entry, 1, key);
    textField(entry, 2, String(value));
    bytesField(proto, 13, entry);
  }
  varintField(proto, 14, 1);
  return proto;
}

function attributeProto(name: string, value: OnnxAttribute): Message {
  const proto = new Message();
  textField(proto, 1, name);
  if (typeof value === 'number') {
    varintField(proto, 3, value);
    varintField(proto, 20, 2);
  } else if (typeof value === 'string') {
    textField(proto, 4, value);
    varintField(proto, 20, 3);
  } else if ('float' in value) {
    proto.float(2, value.float);
    varintField(proto, 20, 1);
  } else {
    packedField(proto, 8, value);
    varintField(proto, 20, 7);
  }
  return proto;
}

/** Name, number type and shape of an input or output. */
export function valueInfo(name: string, { shape, dtype }: { shape: Shape; dtype: DType }): Message {
  const sizes = new Message();
  for (const dim of shape) {
    const size = new Message();
    if (typeof dim === 'number') varintField(size, 1, dim);
    else textField(size, 2, dim);
    bytesField(sizes, 1, size);
  }
  const tensorType = new Message();
  varintField(tensorType, 1, ONNX_TYPES[dtype]);
  bytesField(tensorType, 2, sizes);
  const type = new Message();
  bytesField(type, 1, tensorType);
  const info = new Message();
  textField(info, 1, name);
  bytesField(info, 2, type);
  return info;
}
