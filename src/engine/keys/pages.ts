import { type Matrix, matrix, norm, row } from '../../math/matrix.ts';
import { layOutArrays } from '../kernels/arrays.ts';
import { instantiate } from '../kernels/instantiate.ts';
import { wasm } from '../kernels/keys.wasm.ts';
import type { ByteProducts } from './byte-products.ts';
import { bytesPerRow, keyReader } from './reader.ts';
import type { FileReader, KeyPart } from './types.ts';

/** Largest number of queries that are answered in one pass over the keys. */
export const QUERIES = 64;
/** Largest integer of a query: it is 256 times a signed byte plus another, and sums of products with 8-bit numbers stay below 2^31. */
const LARGEST = 127 * 256 + 127;
const largestFor = (cols: number) => Math.min(LARGEST, Math.floor(2 ** 31 / (128 * cols)) - 1);

/** Answers for the keys of one part of a file. */
export interface KeyPages {
  /** Class sums [m, classes] of at most 64 queries; with `each`, the vote of every key [m, rows]. */
  sums(features: Matrix, beta: number, each: boolean): Promise<Matrix>;
  close(): Promise<void>;
}

/**
 * `prepare` opens products of 8-bit keys and several queries that are faster than the kernel's, if there are any. It is called when they
 * are first needed. Throws `ModelError` if the file was replaced, is damaged or is shorter than its keys.
 */
export function openPages(
  part: KeyPart,
  open: (path: string, identity: string) => FileReader,
  prepare: () => Promise<ByteProducts | undefined> = async () => undefined,
): KeyPages {
  const { rows, cols, dtype, labels, classes, scales, steps } = part;
  const width = Math.ceil(cols / 16) * 16;
  const file = keyReader(part, open);
  const rowBytes = bytesPerRow(part);
  const perPage = Math.min(rows, file.perPage);
  const { memory, at, view } = layOutArrays({
    // The kernel reads up to three rows and 15 bytes beyond the last row.
    keys: Math.ceil(((perPage + 3) * rowBytes) / 4) + 8,
    scales: perPage + 3,
    labels: perPage,
    queries: QUERIES * width,
    queryBytes: dtype === 'int8' ? (2 * QUERIES * cols) / 4 : 0,
    products: dtype === 'int8' ? perPage * 2 * QUERIES : 0,
    queryScales: QUERIES,
    room: 16 * width,
    sums: Math.max(classes, perPage) * QUERIES,
  });
  const kernel = instantiate<Kernel>(wasm, memory);
  let products: Promise<ByteProducts | undefined> | undefined;
  const page = new Uint8Array(memory.buffer, at.keys, perPage * rowBytes);
  const pageLabels = new Int32Array(memory.buffer, at.labels, perPage);

  function readPage(start: number, count: number): void {
    file.read(start / perPage, page.subarray(0, count * rowBytes));
    if (scales) view('scales').set(scales.subarray(start, start + count));
  }

  function vote(count: number, m: number, beta: number): void {
    const { keys, labels, queries, queryScales, sums, scales, room } = at;
    if (dtype === 'int8' && m === 1) {
      kernel.votes8One(keys, scales, labels, count, cols, queries, view('queryScales')[0]!, beta, sums);
    } else if (dtype === 'int8') {
      kernel.votes8(keys, scales, labels, count, cols, queries, queryScales, m, beta, sums);
    } else if (m === 1) {
      kernel.votes16One(keys, labels, count, cols, queries, beta, sums);
    } else {
      kernel.votes16(keys, labels, count, cols, queries, m, beta, room, sums);
    }
  }

  /** The same from products that another kernel computes, for 8-bit keys and several queries. */
  async function voteBy(products: ByteProducts, count: number, m: number, beta: number): Promise<void> {
    kernel.unsigned(at.keys, at.keys + Math.ceil((count * cols) / 16) * 16);
    await products.run(
      page.subarray(0, count * cols),
      new Int8Array(memory.buffer, at.queryBytes, 2 * m * cols),
      new Int32Array(memory.buffer, at.products, count * 2 * m),
    );
    kernel.votesOf(at.products, at.scales, at.labels, count, at.queryScales, m, beta, at.sums);
  }

  /** Writes the integers of the queries as bytes, [cols, 2 m]: the high bytes of all queries, then the low bytes, both signed. */
  function placeBytes(m: number): void {
    const integers = new Int16Array(memory.buffer, at.queries, m * width);
    const bytes = new Int8Array(memory.buffer, at.queryBytes, 2 * m * cols);
    for (let j = 0; j < cols; j++) {
      for (let i = 0; i < m; i++) {
        const whole = integers[i * width + j]!;
        bytes[j * 2 * m + i] = (whole + 128) >> 8;
        bytes[j * 2 * m + m + i] = whole;
      }
    }
  }

  function place(features: Matrix, m: number): void {
    view('queries').fill(0);
    view('queryScales').fill(0);
    const largest = largestFor(cols);
    const integers = new Int16Array(memory.buffer, at.queries, m * width);
    for (let i = 0; i < features.rows; i++) {
      const values = row(features, i);
      const length = norm(values) || 1;
      if (dtype === 'float16') {
        for (let j = 0; j < cols; j++) view('queries')[i * width + j] = values[j]! / length;
        continue;
      }
      // Each column of the keys has its own unit (step); the query is multiplied by it once.
      const own = steps ? values.map((x, j) => x * steps[j]!) : values;
      const top = own.reduce((most, x) => Math.max(most, Math.abs(x)), 0) || 1;
      for (let j = 0; j < cols; j++) integers[i * width + j] = Math.round((own[j]! / top) * largest);
      view('queryScales')[i] = top / (largest * length);
    }
  }

  async function sumsOf(features: Matrix, beta: number, each: boolean): Promise<Matrix> {
    // The kernel takes four queries at a time, and has other functions for a single query.
    const m = features.rows === 1 ? 1 : Math.ceil(features.rows / 4) * 4;
    place(features, m);
    if (m > 1 && dtype === 'int8') products ??= prepare();
    const by = m > 1 ? await products : undefined;
    if (by) placeBytes(m);
    const sums = view('sums');
    const out = matrix(features.rows, each ? rows : classes);
    const take = (count: number, first: number) => {
      for (let c = 0; c < count; c++)
        for (let q = 0; q < features.rows; q++) out.data[q * out.cols + first + c] = sums[c * m + q]!;
    };
    sums.fill(0);
    for (let start = 0; start < rows; start += perPage) {
      const count = Math.min(perPage, rows - start);
      readPage(start, count);
      if (each) {
        sums.fill(0);
        for (let i = 0; i < count; i++) pageLabels[i] = i;
      } else pageLabels.set(labels.subarray(start, start + count));
      if (by) await voteBy(by, count, m, beta);
      else vote(count, m, beta);
      if (each) take(count, start);
    }
    if (!each) take(classes, 0);
    return out;
  }

  let last: Promise<unknown> = Promise.resolve();

  /** Answers one request at a time, because all of them use the same memory. */
  function inTurn<T>(work: () => Promise<T>): Promise<T> {
    const own = last.then(work);
    last = own.catch(() => {});
    return own;
  }

  return {
    sums: (features, beta, each) => inTurn(() => sumsOf(features, beta, each)),
    close: () =>
      inTurn(async () => {
        file.close();
        await (await products)?.close();
      }),
  };
}

interface Kernel {
  unsigned(at: number, end: number): void;
  votesOf(
    products: number,
    scales: number,
    labels: number,
    rows: number,
    queryScales: number,
    m: number,
    beta: number,
    sums: number,
  ): void;
  votes8One(
    keys: number,
    scales: number,
    labels: number,
    rows: number,
    d: number,
    query: number,
    queryScale: number,
    beta: number,
    sums: number,
  ): void;
  votes8(
    keys: number,
    scales: number,
    labels: number,
    rows: number,
    d: number,
    queries: number,
    queryScales: number,
    m: number,
    beta: number,
    sums: number,
  ): void;
  votes16One(
    keys: number,
    labels: number,
    rows: number,
    d: number,
    query: number,
    beta: number,
    sums: number,
  ): void;
  votes16(
    keys: number,
    labels: number,
    rows: number,
    d: number,
    queries: number,
    m: number,
    beta: number,
    room: number,
    sums: number,
  ): void;
}
