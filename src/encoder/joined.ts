import { UsageError } from '../errors.ts';
import { inputSize } from '../image/preprocess.ts';
import type { Pixels, Preprocessing } from '../image/types.ts';
import { type Matrix, matrix, row, unitRows } from '../math/matrix.ts';
import { sha256 } from '../sha256.ts';
import type { Encoder, Joined, JoinedPart, TextLength } from './types.ts';

/** An encoder's name, and its weight if one is given. */
export interface NamedPart {
  readonly name: string;
  readonly weight?: number;
}

/**
 * The parts of a joined encoder's name, `a+b` or `0.6*a+0.4*b`. Undefined for the name of one encoder. Throws `UsageError` if only some of the
 * parts have a weight.
 */
export function partsOfName(text: string): NamedPart[] | undefined {
  const parts = text.split('+').map((part): NamedPart => {
    const [, weight, name] = /^(?:(\d+(?:\.\d+)?|\.\d+)\*)?(.*)$/s.exec(part) as RegExpExecArray;
    return weight === undefined ? { name: name! } : { name: name!, weight: Number(weight) };
  });
  const weighed = parts.filter(({ weight }) => weight !== undefined).length;
  if (parts.length === 1 && weighed === 0) return undefined;
  const refuse = (why: string): never => {
    throw new UsageError(`"${text}" cannot be read as joined encoders: ${why}`, {
      code: 'encoder/joined',
      hint: 'Write first+second, or 0.6*first+0.4*second, with the names of two or more encoders.',
      details: { name: text },
    });
  };
  if (parts.length < 2) refuse('there is only one');
  if (parts.some(({ name }) => name === '')) refuse('one has no name');
  if (weighed > 0 && weighed < parts.length) refuse('only some have a weight');
  if (parts.some(({ weight }) => weight === 0)) refuse('a weight is 0');
  const twice = parts.find(({ name }, i) => parts.findIndex((other) => other.name === name) !== i);
  if (twice) refuse(`${twice.name} occurs twice`);
  return parts;
}

/** The factors of each part's columns, for pictures and for texts, and the multiplier of cosines in zero-shot scores. */
export function columnScales(
  parts: readonly JoinedPart[],
  weights: readonly number[],
): { pictures: number[]; texts: number[]; logitScale: number } {
  const reading = parts.map(({ reads, logitScale }, i) =>
    reads ? { weight: weights[i]!, logitScale } : undefined,
  );
  const total = reading.reduce((sum, part) => sum + (part?.weight ?? 0), 0);
  const length = Math.sqrt(
    reading.reduce((sum, part) => sum + (part ? part.weight * part.logitScale ** 2 : 0), 0),
  );
  return {
    pictures: weights.map(Math.sqrt),
    texts: reading.map((part) => (part ? (Math.sqrt(part.weight) * part.logitScale) / length : 0)),
    // A row of pictures times a row of texts is the sum of weight * scale * cosine over `length`.
    logitScale: total > 0 ? length / total : 100,
  };
}

/** Rows [n, d] with the columns of each part multiplied by a number. */
export function scaledColumns(rows: Matrix, parts: readonly JoinedPart[], by: readonly number[]): Matrix {
  const factors = Float32Array.from(
    parts.flatMap(({ dimension }, i) => Array<number>(dimension).fill(by[i]!)),
  );
  const data = rows.data.map((x, at) => x * factors[at % rows.cols]!);
  return matrix(rows.rows, rows.cols, data);
}

/**
 * Joins encoders. Without weights, they are equal until `fit` chooses them. `close` closes the parts. Throws `UsageError` for fewer than two
 * encoders.
 */
export function joinEncoders(encoders: readonly Encoder[], weights?: readonly number[]): Encoder {
  if (encoders.length < 2)
    throw new UsageError('A joined encoder needs at least two encoders', { code: 'encoder/joined' });
  if (weights && (weights.length !== encoders.length || !weights.every((weight) => weight > 0)))
    throw new UsageError('A joined encoder needs a weight above 0 for each encoder', {
      code: 'encoder/joined',
    });
  const parts = encoders.map(
    ({ id, fingerprint, dimension, logitScale, embedTexts }): JoinedPart => ({
      id,
      fingerprint,
      dimension,
      logitScale,
      reads: embedTexts !== undefined,
    }),
  );
  const sum = weights?.reduce((total, weight) => total + weight, 0) ?? 1;
  const shares = weights?.map((weight) => weight / sum) ?? parts.map(() => 1 / parts.length);
  const scales = columnScales(parts, shares);
  const [first] = encoders as [Encoder];
  const lead = encoders.find(({ embedTexts }) => embedTexts) ?? first;
  const specs = encoders.map(({ preprocessing }) => preprocessing);
  const dimension = parts.reduce((total, part) => total + part.dimension, 0);
  const name = ({ id }: JoinedPart, i: number) => (weights ? `${weights[i]}*${id}` : id);
  const reads = parts.some((part) => part.reads);
  const printOf = (own: (encoder: Encoder) => string) =>
    sha256(JSON.stringify(encoders.map((encoder, i) => [own(encoder), Math.fround(shares[i]!)])));
  const learnt = encoders.flatMap(({ fineTuned }) => fineTuned?.pictures ?? []);
  const lengths = encoders.flatMap(({ embedTexts, textLength }) =>
    embedTexts && textLength ? [textLength] : [],
  );
  return {
    id: parts.map(name).join('+'),
    fingerprint: printOf(({ fingerprint }) => fingerprint),
    ...(encoders.some(({ formerFingerprint }) => formerFingerprint) && {
      formerFingerprint: printOf(({ fingerprint, formerFingerprint }) => formerFingerprint ?? fingerprint),
    }),
    dimension,
    logitScale: scales.logitScale,
    preprocessing: { ...specs[0]!, beside: specs.slice(1) },
    defaults: { ...lead.defaults, maxBeta: Math.max(...encoders.map(({ defaults }) => defaults.maxBeta)) },
    ...(learnt.length > 0 && { fineTuned: { pictures: [...new Set(learnt)] } }),
    licence: [...new Set(encoders.map(({ licence }) => licence))].join(' and '),
    source: encoders.map(({ source }) => source).join(' + '),
    joined: {
      parts,
      weights: shares,
      free: weights === undefined,
      weighted: (others) => joinEncoders(encoders, others),
    },
    prepare: () => {
      for (const encoder of encoders) encoder.prepare?.();
    },
    embedImages: async (pixels, work) => {
      const crops = pixels.map((one) => apart(one, specs));
      const rows: Matrix[] = [];
      for (const [i, encoder] of encoders.entries())
        rows.push(
          await encoder.embedImages(
            crops.map((own) => own[i]!),
            work,
          ),
        );
      return sideBySide(rows, scales.pictures);
    },
    ...(reads && {
      embedTexts: async (texts, work) => {
        const rows: Matrix[] = [];
        for (const [i, encoder] of encoders.entries())
          rows.push((await encoder.embedTexts?.(texts, work)) ?? matrix(texts.length, parts[i]!.dimension));
        return sideBySide(rows, scales.texts);
      },
    }),
    ...(lengths.length > 0 && {
      textLength: async (texts) => shortest(await Promise.all(lengths.map((length) => length(texts)))),
    }),
    close: async () => {
      await Promise.all(encoders.map((encoder) => encoder.close()));
    },
  };
}

/**
 * An encoder for work that does not choose weights: a joined encoder with free weights gets equal ones, which its name then states. Other
 * encoders are returned unchanged. Only one of the two needs to be closed.
 */
export function withEqualWeights(encoder: Encoder): Encoder {
  const { joined } = encoder;
  return joined?.free ? joined.weighted(equalWeights(joined)) : encoder;
}

/** Equal weights of the parts, with four decimals. */
export function equalWeights({ parts }: Joined): number[] {
  return parts.map(() => Number((1 / parts.length).toFixed(4)));
}

/** The crops of a picture for each part, which lie one after the other in its bytes. */
function apart({ data }: Pixels, specs: readonly Preprocessing[]): Pixels[] {
  let at = 0;
  return specs.map((spec) => {
    const { width, height } = inputSize(spec);
    const start = at;
    at += width * height * 3;
    return { width, height, data: data.subarray(start, at) };
  });
}

/** Unit rows of each part, times its number, side by side. */
function sideBySide(rows: readonly Matrix[], by: readonly number[]): Matrix {
  const cols = rows.reduce((sum, part) => sum + part.cols, 0);
  const out = matrix(rows[0]!.rows, cols);
  let start = 0;
  for (const [p, part] of rows.entries()) {
    const unit = unitRows(part);
    for (let i = 0; i < unit.rows; i++)
      row(unit, i).forEach((x, j) => {
        out.data[i * cols + start + j] = x * by[p]!;
      });
    start += part.cols;
  }
  return out;
}

/**
 * The lengths by the part that reads the fewest tokens. If only another part cuts a text, the text exceeds the limit by the same number of
 * tokens. A script is foreign if one part has not learnt it.
 */
function shortest(lengths: readonly TextLength[]): TextLength {
  const least = lengths.reduce((a, b) => (b.read < a.read ? b : a));
  const over = (i: number) => Math.max(0, ...lengths.map(({ tokens, read }) => tokens[i]! - read));
  const tokens = least.tokens.map((count, i) => (over(i) > 0 ? least.read + over(i) : count));
  const known = lengths.flatMap(({ foreign }) => (foreign ? [foreign] : []));
  const foreign = least.tokens.map((_, i) => known.some((own) => own[i]));
  return { read: least.read, tokens, ...(known.length > 0 && { foreign }) };
}
