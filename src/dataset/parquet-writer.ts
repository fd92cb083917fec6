import type { SchemaElement } from 'hyparquet-writer';
import { atOnce } from '../abort.ts';
import { toHalf } from '../math/half.ts';
import { rowsToHalfInPieces } from '../math/half-rows.ts';
import { type Matrix, row } from '../math/matrix.ts';
import type { FeatureType } from './stored-formats.ts';

/** A column to write. A missing text is null; `bytes` are values of one width. */
export type WrittenColumn = { readonly name: string } & (
  | { readonly type: 'text'; readonly values: readonly (string | undefined)[] }
  | { readonly type: 'double'; readonly values: readonly number[] }
  | { readonly type: 'boolean'; readonly values: readonly boolean[] }
  | { readonly type: 'bytes'; readonly width: number; readonly values: readonly Uint8Array[] }
  | { readonly type: 'floats'; readonly values: readonly (readonly number[])[] }
);

/**
 * The bytes of a Parquet file with one row group, and texts by key in its metadata. Features are not compressed, because that hardly makes
 * them smaller. The same content gives the same bytes.
 */
export async function parquetBytes(
  columns: readonly WrittenColumn[],
  metadata: Readonly<Record<string, string>>,
): Promise<Uint8Array> {
  const { parquetWriteBuffer } = await import('hyparquet-writer');
  const rows = columns[0]?.values.length ?? 0;
  const buffer = parquetWriteBuffer({
    columnData: columns.map(({ name, values }) => ({ name, data: values as unknown[] })),
    schema: [{ name: 'root', num_children: columns.length }, ...columns.flatMap(elementsOf)],
    codec: 'UNCOMPRESSED',
    statistics: false,
    rowGroupSize: Math.max(1, rows),
    kvMetadata: Object.entries(metadata).map(([key, value]) => ({ key, value })),
    createdBy: 'tip-adapter',
  });
  return new Uint8Array(buffer);
}

/** The features as numbers of a type. */
export function numbersOf(features: Matrix, dtype: FeatureType): Float32Array | Uint16Array {
  return dtype === 'float16' ? toHalf(atOnce(rowsToHalfInPieces(features)).data) : features.data;
}

/** A column of features: the little-endian numbers of each row, or with `lists` a list of float32. */
export function floatColumn(
  name: string,
  features: Matrix,
  dtype: FeatureType,
  lists: boolean,
): WrittenColumn {
  const rows = Array.from({ length: features.rows }, (_, i) => i);
  if (lists) return { name, type: 'floats', values: rows.map((i) => Array.from(row(features, i))) };
  const { buffer, byteOffset, byteLength } = numbersOf(features, dtype);
  const bytes = new Uint8Array(buffer, byteOffset, byteLength);
  const width = features.cols * (dtype === 'float16' ? 2 : 4);
  return { name, type: 'bytes', width, values: rows.map((i) => bytes.subarray(i * width, (i + 1) * width)) };
}

function elementsOf(column: WrittenColumn): SchemaElement[] {
  const { name, type } = column;
  switch (type) {
    case 'text': {
      const isWhole = column.values.every((value) => value !== undefined);
      const text = { type: 'BYTE_ARRAY', converted_type: 'UTF8', logical_type: { type: 'STRING' } } as const;
      return [{ name, ...text, repetition_type: isWhole ? 'REQUIRED' : 'OPTIONAL' }];
    }
    case 'double':
      return [{ name, type: 'DOUBLE', repetition_type: 'REQUIRED' }];
    case 'boolean':
      return [{ name, type: 'BOOLEAN', repetition_type: 'REQUIRED' }];
    case 'bytes':
      return [{ name, type: 'FIXED_LEN_BYTE_ARRAY', type_length: column.width, repetition_type: 'REQUIRED' }];
    case 'floats':
      return [
        { name, repetition_type: 'REQUIRED', num_children: 1, converted_type: 'LIST' },
        { name: 'list', repetition_type: 'REPEATED', num_children: 1 },
        { name: 'element', type: 'FLOAT', repetition_type: 'REQUIRED' },
      ];
  }
}
