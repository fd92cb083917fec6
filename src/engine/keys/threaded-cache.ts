import { concatRows, type Matrix, matrix, matrixOf, selectRows } from '../../math/matrix.ts';
import { floatTensor } from '../../math/tensor.ts';
import { HASH } from '../../sha256.ts';
import { rowsPerPage } from '../../store/pages.ts';
import { type Channel, channelTo, type Thread, type ThreadEvents } from '../channel.ts';
import { type Settings, tensorsOf } from '../protocol.ts';
import { QUERIES } from './pages.ts';
import { bytesPerRow } from './reader.ts';
import type { KeyCache, KeyFile, KeyPart } from './types.ts';

/** Starts the threads, and says which build of ONNX Runtime they use. */
interface Host {
  start(events: ThreadEvents): Thread;
  readonly settings: Omit<Settings, 'device' | 'native'>;
  native?(): Promise<string | undefined>;
}

/** A cache of keys in a file, divided among threads: each thread reads some of the rows and answers for them. */
export function threadedKeyCache(
  { start, settings, native }: Host,
  file: KeyFile,
  labels: Int32Array,
  classes: number,
): KeyCache {
  const perPage = rowsPerPage(bytesPerRow(file));
  const pages = Math.ceil(file.rows / perPage);
  const parts = Math.max(1, Math.min(settings.threads, pages));
  const shards = Array.from({ length: parts }, (_, k) => {
    // Parts are whole pages, so that each thread can verify its own.
    const at = (n: number) => Math.min(file.rows, Math.floor((n * pages) / parts) * perPage);
    const part = partOf(file, at(k), at(k + 1), labels, classes);
    return createShard(channelTo(start), part, async () => ({
      ...settings,
      device: 'cpu',
      threads: 1,
      native: await native?.(),
    }));
  });

  async function ask(features: Matrix, beta: number, each: boolean, signal?: AbortSignal): Promise<Matrix[]> {
    return Promise.all(shards.map((shard) => shard.ask(features, beta, each, signal)));
  }

  return {
    async classSums(features, beta, signal) {
      const chunks: Matrix[] = [matrix(0, classes)];
      for (let at = 0; at < features.rows; at += QUERIES) {
        const rows = Array.from({ length: Math.min(QUERIES, features.rows - at) }, (_, i) => at + i);
        chunks.push(total(await ask(selectRows(features, rows), beta, false, signal)));
      }
      return concatRows(chunks);
    },
    async votes(feature, beta, signal) {
      const parts = await ask(matrix(1, feature.length, feature.slice()), beta, true, signal);
      const out = new Float32Array(file.rows);
      parts.reduce((at, { data }) => {
        out.set(data, at);
        return at + data.length;
      }, 0);
      return out;
    },
    close: async () => void (await Promise.all(shards.map((shard) => shard.close()))),
  };
}

function createShard(
  { send, alive, generation, close }: Channel,
  part: KeyPart,
  settings: () => Promise<Settings>,
) {
  let opened = -1;
  return {
    async ask(features: Matrix, beta: number, each: boolean, signal?: AbortSignal): Promise<Matrix> {
      if (!alive(opened)) {
        await send({ kind: 'keys', part, settings: await settings() }, [], signal);
        opened = generation();
      }
      const feeds = floatTensor([features.rows, features.cols], features.data);
      const answer = await send({ kind: 'keys-sums', features: feeds, beta, each }, [], signal);
      return matrixOf(tensorsOf<'sums'>(answer).sums);
    },
    close,
  };
}

/** The rows of whole pages, and those at the end. */
function partOf(file: KeyFile, from: number, to: number, labels: Int32Array, classes: number): KeyPart {
  const page = (row: number) => Math.ceil(row / rowsPerPage(bytesPerRow(file)));
  return {
    ...file,
    offset: file.offset + from * bytesPerRow(file),
    rows: to - from,
    // Copied, because sending a view would send its whole buffer.
    scales: file.scales?.slice(from, to),
    hashes: file.hashes?.slice(HASH * page(from), HASH * page(to)),
    labels: labels.slice(from, to),
    classes,
  };
}

function total(parts: readonly Matrix[]): Matrix {
  return parts.reduce((sum, { data }) => {
    for (let i = 0; i < data.length; i++) sum.data[i]! += data[i]!;
    return sum;
  });
}
