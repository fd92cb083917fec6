import type { Engine, PortInfo, Session } from '../engine/types.ts';
import { ModelError, throwIfAborted, UsageError } from '../errors.ts';
import { normalize } from '../image/preprocess.ts';
import type { Pixels, Preprocessing } from '../image/types.ts';
import { loadPart } from '../load-part.ts';
import { toHalf } from '../math/half.ts';
import { concatRows, type Matrix, matrix, matrixOf } from '../math/matrix.ts';
import type { Tensor } from '../math/tensor.ts';
import { count, number } from '../words.ts';
import { ahead } from './ahead.ts';
import { configurationPath, type Json } from './fields.ts';
import type { EncoderRecord, TextRule } from './record.ts';
import type { TextTokenizer } from './tokenizer.ts';
import type { Encoder, TextLength } from './types.ts';

export interface Lazy<T> {
  get(): Promise<T>;
}

/** A value that is made at its first use. After a failure the next use tries again. */
export function lazily<T>(make: () => Promise<T>): Lazy<T> & { made(): Promise<T> | undefined } {
  let made: Promise<T> | undefined;
  return {
    get: () => {
      made ??= make().catch((error) => {
        made = undefined;
        throw error;
      });
      return made;
    },
    made: () => made,
  };
}

/** The files of an encoder, by their paths in its folder. The folder is on a disk, or below a URL. */
export interface EncoderFiles {
  /** An ONNX model as an engine takes it. */
  model(path: string): Promise<Uint8Array | string>;
  /** The object in a JSON file. Undefined if there is no such file. */
  json(path: string): Promise<Json | undefined>;
}

/** A session that is loaded at its first use, so that predicting a picture does not wait for the text model. */
export interface LazySession {
  get(): Promise<Session>;
  close(): Promise<void>;
}

export function lazySession(engine: Engine, files: EncoderFiles, model: string): LazySession {
  return sessionOf(async () => engine.load(await files.model(model)));
}

/** A session that is made at its first use. */
export function sessionOf(make: () => Promise<Session>): LazySession {
  const session = lazily(make);
  return {
    get: session.get,
    close: async () => {
      await (await session.made()?.catch(() => undefined))?.close();
    },
  };
}

/** @param place the folder with tokenizer.json within the encoder's, empty or with a slash at its end */
export function lazyTokenizer(files: EncoderFiles, rule: TextRule, place = ''): Lazy<TextTokenizer> {
  return lazily(async () => {
    const tokenizer = await files.json(`${place}tokenizer.json`);
    if (!tokenizer)
      throw new ModelError('The encoder has no tokenizer.json', {
        code: 'encoder/no-configuration',
        hint: 'Get the encoder again.',
      });
    const config = await files.json(`${place}tokenizer_config.json`);
    // Imported here, because pictures need no tokenizer.
    const { createTokenizer } = await loadPart(() => import('./tokenizer.ts'));
    return createTokenizer({ tokenizer, config }, rule);
  });
}

/** Number of tokens of each text, the number that the encoder reads, and the texts in a script that it has not learnt. */
export async function lengthOfTexts(
  tokenizer: Lazy<TextTokenizer>,
  { length }: TextRule,
  texts: readonly string[],
): Promise<TextLength> {
  const { count: lengthOf, isForeign } = await tokenizer.get();
  return { tokens: texts.map(lengthOf), read: length, foreign: texts.map(isForeign) };
}

/** The first of the names that is an output of the model. Throws `ModelError` if none is. */
export function outputNamed(ports: readonly PortInfo[], names: readonly string[], model: string): string {
  const found = names.find((name) => ports.some((port) => port.name === name));
  const only = ports.length === 1 && ports[0]!.shape.length === 2 ? ports[0]!.name : undefined;
  if (found ?? only) return (found ?? only) as string;
  throw new ModelError(`${model} has none of the outputs ${names.join(', ')}`, {
    code: 'encoder/outputs',
    hint: `It has ${ports.map((port) => port.name).join(', ')}. Export the model with its projection.`,
    details: { model, outputs: ports.map((port) => port.name) },
  });
}

/** Names of inputs for pictures: transformers' and open_clip's. */
const PIXEL_INPUTS = ['pixel_values', 'image'];

/** The input for pictures. Undefined if a model has none. */
export function pixelPort(ports: readonly PortInfo[]): PortInfo | undefined {
  const named = ports.find(({ name }) => PIXEL_INPUTS.includes(name));
  return named ?? ports.find(({ shape }) => shape.length === 4);
}

/**
 * Pictures as a tensor of the input's type: normalised floats [n, 3, side, side], or bytes [n, side, side, 3] for a model that normalises
 * them itself. Throws `ModelError` for another type.
 */
export function pixelTensor(port: PortInfo, pixels: readonly Pixels[], spec: Preprocessing): Tensor {
  const { dtype, shape: stated } = port;
  const { crop } = spec;
  if (dtype === 'uint8' && stated.at(-1) === 3) {
    const data = new Uint8Array(pixels.length * crop * crop * 3);
    pixels.forEach((one, i) => {
      data.set(one.data, i * crop * crop * 3);
    });
    return { dtype, shape: [pixels.length, crop, crop, 3], data };
  }
  const shape = [pixels.length, 3, crop, crop];
  if (dtype === 'float32') return { dtype, shape, data: normalize(pixels, spec) };
  if (dtype === 'float16') return { dtype, shape, data: toHalf(normalize(pixels, spec)) };
  throw new ModelError(
    `The model reads pictures as ${dtype} [${stated.join(', ')}], which is not supported`,
    {
      code: 'encoder/inputs',
      hint: 'Export the model for float pictures [n, 3, height, width], or for bytes [n, height, width, 3].',
      details: { input: port.name, dtype, shape: stated },
    },
  );
}

/** The number of inputs that a model with a fixed batch reads at a time. Undefined if the model reads batches of any size. */
export function fixedBatch(ports: readonly PortInfo[]): number | undefined {
  const [first] = ports.map(({ shape }) => shape[0]);
  return typeof first === 'number' && first > 0 ? first : undefined;
}

/** Rows of tokens as tensors for the model's inputs (the usual ones are supported). All rows are padded to the same length. */
export function textFeeds(
  ports: readonly PortInfo[],
  rows: readonly (readonly number[])[],
  { padding, length, pad }: TextRule,
): Record<string, Tensor> {
  const width = padding === 'fixed' ? length : rows.reduce((most, row) => Math.max(most, row.length), 0);
  const token = (row: readonly number[], at: number) => (at < row.length ? row[at]! : pad);
  const values: Record<string, (row: readonly number[], at: number) => number> = {
    input_ids: token,
    text: token,
    attention_mask: (row, at) => Number(at < row.length),
    position_ids: (_, at) => at,
    token_type_ids: () => 0,
  };
  const feeds: Record<string, Tensor> = {};
  for (const port of ports) {
    const value = values[port.name];
    if (!value) continue;
    const flat = rows.flatMap((row) => Array.from({ length: width }, (_, at) => value(row, at)));
    const shape = [rows.length, width];
    feeds[port.name] =
      port.dtype === 'int32'
        ? { dtype: 'int32', shape, data: Int32Array.from(flat) }
        : { dtype: 'int64', shape, data: BigInt64Array.from(flat, BigInt) };
  }
  return feeds;
}

/** An output [n, d] as a float32 matrix. Throws `ModelError` if it is not a matrix. */
export function asMatrix(output: Tensor): Matrix {
  const { dtype, shape } = output;
  if (shape.length !== 2 || (dtype !== 'float16' && dtype !== 'float32')) {
    throw new ModelError(
      `The model gives a tensor ${dtype} [${shape.join(', ')}] instead of a row for each input`,
      {
        code: 'encoder/outputs',
        hint: 'Export the model with its projection into the common space.',
        details: { dtype, shape },
      },
    );
  }
  return matrixOf(output);
}

/** The folder of tokenizer.json within the encoder's, empty or with a slash: Immich's exports keep it beside the text tower. */
export function tokenizerPlace({ files }: Pick<EncoderRecord, 'files'>): string {
  const paths = files.map(({ path }) => path);
  return (configurationPath(paths, 'tokenizer.json') ?? '').replace(/[^/]*$/, '');
}

/** How an image tower is run. */
export interface ImageRun {
  /** Names that the output may have. */
  readonly outputs: readonly string[];
  /** Number of pictures that are embedded together (default `IMAGE_BATCH`). */
  batch?(session: Session): number;
  /** Values of the model's other inputs, if it has any. */
  others?(inputs: readonly PortInfo[]): Promise<Record<string, Tensor>>;
}

/** Batch size, the fastest on two cores: 46 ms for each picture with ResNet50, against 50 in batches of one, 53 of eight, 117 of sixteen. */
export const IMAGE_BATCH = 4;

/** Names that exporters give the embedding of a picture. */
export const IMAGE_OUTPUTS = ['image_embeds', 'image_embeddings', 'image_embedding', 'pooler_output'];

/** The picture side of an encoder: pixels are normalised and embedded by the session's model, a batch at a time. */
export function imageSide(
  record: Pick<EncoderRecord, 'id' | 'preprocessing' | 'imageModel' | 'dimension'>,
  image: LazySession,
  { outputs, batch: together = () => IMAGE_BATCH, others }: ImageRun,
): Required<Pick<Encoder, 'prepare' | 'embedImages'>> {
  const { preprocessing, imageModel, dimension } = record;
  return {
    prepare: () => void image.get().catch(() => {}),
    embedImages: async (pixels, { signal } = {}) => {
      checkSizes(pixels, preprocessing.crop);
      const encode = async (batch: Pixels[]): Promise<Matrix> => {
        throwIfAborted(signal);
        const session = await image.get();
        const port = pixelPort(session.inputs) ?? session.inputs[0]!;
        const rest = session.inputs.filter((input) => input !== port);
        const feeds = {
          ...(rest.length > 0 ? await others?.(rest) : {}),
          [port.name]: pixelTensor(port, batch, preprocessing),
        };
        const output = outputNamed(session.outputs, outputs, imageModel);
        const part = asMatrix((await session.run(feeds, { outputs: [output], signal }))[output]!);
        if (part.rows !== batch.length) throw otherRows(record, part.rows, batch.length);
        return part;
      };
      const parts: Matrix[] = [];
      const most = pixels.length > 0 ? together(await image.get()) : 1;
      for await (const part of ahead(batches(pixels, most), encode, 1)) parts.push(part);
      return parts.length > 0 ? concatRows(parts) : matrix(0, dimension);
    },
  };
}

/** The error of a tower that does not give a row for each input. */
export function otherRows({ id }: Pick<EncoderRecord, 'id'>, rows: number, inputs: number): ModelError {
  return new ModelError(`A tower of ${id} gives ${count(rows, 'row')} instead of ${number(inputs)}`, {
    code: 'encoder/dimension',
    hint: 'Export the model for batches of any size.',
    details: { rows, count: inputs },
  });
}

/** Consecutive groups of at most `size` items. */
export function batches<T>(items: readonly T[], size: number): T[][] {
  return Array.from({ length: Math.ceil(items.length / size) }, (_, i) =>
    items.slice(i * size, (i + 1) * size),
  );
}

function checkSizes(pixels: readonly Pixels[], size: number): void {
  const wrong = pixels.find(({ width, height }) => width !== size || height !== size);
  if (!wrong) return;
  throw new UsageError(`The encoder takes ${size} x ${size} pixels, not ${wrong.width} x ${wrong.height}`, {
    code: 'encoder/size',
    details: { size, width: wrong.width, height: wrong.height },
  });
}
