import { type Matrix, matrix } from '../math/matrix.ts';
import { jsonText } from '../printable.ts';
import { count, number } from '../words.ts';
import { tooMany } from './form.ts';
import {
  FEATURES,
  type InferenceAnswer,
  type InferenceOutput,
  type InferenceRequest,
  inferenceRequestSchema,
  OUTPUTS,
  PICTURES,
} from './inference-schemas.ts';
import { checkJsonType, mediaType, parseJson } from './parse.ts';
import { Refusal } from './problem.ts';
import { decodeBase64, noPicture } from './request-pictures.ts';

/**
 * The Open Inference Protocol, version 2, with its extension for binary data: the JSON is followed by the inputs' bytes, and the header
 * below has the length of the JSON. A picture is one element of type BYTES: a file.
 * https://github.com/kserve/open-inference-protocol, https://github.com/triton-inference-server/server (protocol extensions).
 */
export const JSON_LENGTH_HEADER = 'inference-header-content-length';

/** A checked request with pictures or, if there are `features`, with embeddings [n, d]. */
export interface Inference {
  readonly request: InferenceRequest;
  readonly pictures: readonly Uint8Array[];
  readonly features?: Matrix;
}

/** The form of a body: its content type, and the length of its JSON if binary data follow. */
export interface InferenceForm {
  readonly type: string;
  readonly jsonLength?: string;
}

/** Parses a request of at most `most` pictures or embeddings. Throws a `Refusal` (400, 413, 415) that names the field. */
export function inferenceIn({ type, jsonLength }: InferenceForm, body: Buffer, most: number): Inference {
  // Clients send JSON without a content type. A page of another site that does the same is refused by its origin.
  if (jsonLength === undefined && mediaType(type) !== '') checkJsonType(type);
  const length = jsonLength === undefined ? body.length : Number(jsonLength);
  if (!(Number.isInteger(length) && length > 0 && length <= body.length)) {
    throw invalid(
      `The header ${JSON_LENGTH_HEADER} is ${jsonLength}, but the body has ${count(body.length, 'byte')}`,
    );
  }
  const request = parseJson(inferenceRequestSchema, body.subarray(0, length));
  const { name, datatype, shape, parameters, data } = request.inputs[0]!;
  const wanted = name === PICTURES ? 'BYTES' : 'FP32';
  if (datatype !== wanted) throw invalid(`inputs.0.datatype is ${datatype}, but ${name} has ${wanted}`);
  const [n = 0, width = 1] = shape;
  if (name === PICTURES ? width !== 1 : shape.length !== 2) {
    const shapes = name === PICTURES ? '[n] or [n, 1]' : '[n, d]';
    throw invalid(`inputs.0.shape is [${shape.join(', ')}], but ${name} has ${shapes}`);
  }
  if (n === 0) throw noPicture();
  if (n > most) throw tooMany(most);
  const binary = body.subarray(length);
  if (binary.length !== (parameters?.binary_data_size ?? 0)) {
    throw invalid(
      `inputs.0.parameters.binary_data_size is ${parameters?.binary_data_size ?? 'missing'}, and the JSON is followed by ${count(binary.length, 'byte')}`,
    );
  }
  const isBinary = parameters?.binary_data_size !== undefined;
  if (isBinary === (data !== undefined)) {
    throw invalid('inputs.0 needs either data or parameters.binary_data_size');
  }
  if (name === FEATURES) {
    const values = isBinary ? floatsOf(binary) : numbersOf(elementsOf(data!, shape));
    checkCount(values.length, n * width);
    const bad = values.findIndex((value) => !Number.isFinite(value));
    if (bad >= 0) throw invalid(`inputs.0.data.${bad} is not a finite number in single precision`);
    return { request, pictures: [], features: matrix(n, width, values) };
  }
  const pictures = isBinary ? textsOf(binary) : elementsOf(data!, shape).map(fileOf);
  checkCount(pictures.length, n);
  return { request, pictures };
}

/** The elements of data in JSON, which are flat, or nested exactly as the shape says. */
function elementsOf(data: readonly unknown[], shape: readonly number[]): readonly unknown[] {
  return Array.isArray(data[0]) ? nestedElements(data, shape, 'inputs.0.data') : data;
}

function nestedElements(
  data: unknown,
  [size = 0, ...inner]: readonly number[],
  field: string,
): readonly unknown[] {
  if (!Array.isArray(data) || data.length !== size)
    throw invalid(`${field} is not a list of ${count(size, 'element')}, as inputs.0.shape says`);
  if (inner.length === 0) return data;
  return data.flatMap((part, i) => nestedElements(part, inner, `${field}.${i}`));
}

function invalid(message: string): Refusal {
  return new Refusal(400, message, {
    code: 'server/request',
    hint: 'GET /openapi.json describes what is accepted.',
  });
}

function checkCount(found: number, wanted: number): void {
  if (found !== wanted)
    throw invalid(`inputs.0.shape needs ${count(wanted, 'element')}, and ${number(found)} came`);
}

function numbersOf(values: readonly unknown[]): Float32Array {
  return Float32Array.from(values, (value, i) => {
    if (typeof value === 'number') return value;
    throw invalid(`inputs.0.data.${i} is not a number`);
  });
}

function floatsOf(bytes: Buffer): Float32Array {
  if (bytes.length % 4 !== 0)
    throw invalid(`inputs.0 has ${count(bytes.length, 'byte')}, which is not a multiple of 4`);
  return Float32Array.from({ length: bytes.length / 4 }, (_, i) => bytes.readFloatLE(4 * i));
}

function fileOf(value: unknown, i: number): Uint8Array {
  if (typeof value !== 'string') throw invalid(`inputs.0.data.${i} is not a text in base64`);
  return decodeBase64(value, `inputs.0.data.${i}`);
}

/** The elements of binary BYTES. Each begins with its length (4 bytes, little-endian). */
function textsOf(bytes: Buffer): Uint8Array[] {
  const elements: Uint8Array[] = [];
  for (let at = 0; at < bytes.length; ) {
    const end = at + 4 <= bytes.length ? at + 4 + bytes.readUInt32LE(at) : Number.POSITIVE_INFINITY;
    if (end > bytes.length) throw invalid(`inputs.0 ends inside its element ${elements.length}`);
    elements.push(bytes.subarray(at + 4, end));
    at = end;
  }
  return elements;
}

/** Answers to n pictures among c classes. */
interface InferenceResult {
  readonly class: readonly string[];
  readonly probability: readonly number[];
  readonly rejected: readonly boolean[];
  /** [n, c], with classes in the order of `classes`. */
  readonly probabilities: Matrix;
  readonly classes: readonly string[];
}

/** An answer's bytes and headers. */
export interface Encoded {
  readonly body: string | Buffer<ArrayBuffer>;
  readonly headers: Readonly<Record<string, string>>;
}

/** Names, types and shapes of inputs and outputs; -1 is any number. */
export function inferenceTensors(dimension: number, classes: number) {
  const tensor = (name: string, datatype: string, shape: number[]) => ({ name, datatype, shape });
  return {
    inputs: [tensor(PICTURES, 'BYTES', [-1]), tensor(FEATURES, 'FP32', [-1, dimension])],
    outputs: [
      tensor('class', 'BYTES', [-1]),
      tensor('probability', 'FP32', [-1]),
      tensor('rejected', 'BOOL', [-1]),
      tensor('probabilities', 'FP32', [-1, classes]),
      tensor('classes', 'BYTES', [classes]),
    ],
  };
}

/** The requested outputs of a result, with their values. */
export function inferenceOutputs({ outputs }: InferenceRequest, result: InferenceResult): InferenceOutput[] {
  const { rows, cols, data } = result.probabilities;
  const values = { ...result, probabilities: Array.from(data) };
  const names: readonly string[] = outputs?.map(({ name }) => name) ?? OUTPUTS;
  return inferenceTensors(0, cols)
    .outputs.filter(({ name }) => names.includes(name))
    .map(({ name, datatype, shape }) => ({
      name,
      datatype,
      shape: shape.map((size) => (size < 0 ? rows : size)),
      data: [...values[name as keyof InferenceResult]],
    }));
}

/** The bytes of an answer. Outputs that were requested as binary data follow the JSON. */
export function encodeInference(answer: InferenceAnswer, { request }: Inference): Encoded {
  const binary: Buffer[] = [];
  const outputs = answer.outputs.map((output): InferenceOutput => {
    const own = request.outputs?.find(({ name }) => name === output.name)?.parameters?.binary_data;
    if (!(own ?? request.parameters?.binary_data_output)) return output;
    const { data = [], ...described } = output;
    const bytes = bytesOf(data);
    binary.push(bytes);
    return { ...described, parameters: { binary_data_size: bytes.length } };
  });
  const json = Buffer.from(jsonText({ ...answer, outputs }));
  if (binary.length === 0) return { body: json, headers: { 'content-type': 'application/json' } };
  const headers = { 'content-type': 'application/octet-stream', [JSON_LENGTH_HEADER]: String(json.length) };
  return { body: Buffer.concat([json, ...binary]), headers };
}

/** Binary data: numbers in single precision, a byte for true or false, or texts with their length in front, little-endian. */
function bytesOf(values: readonly (string | number | boolean)[]): Buffer {
  return Buffer.concat(
    values.map((value) => {
      if (typeof value === 'boolean') return Buffer.of(Number(value));
      const head = Buffer.alloc(4);
      if (typeof value === 'number') {
        head.writeFloatLE(value);
        return head;
      }
      const text = Buffer.from(value);
      head.writeUInt32LE(text.length);
      return Buffer.concat([head, text]);
    }),
  );
}
