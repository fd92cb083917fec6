/** The types of the numbers of stored features. */
export const DTYPES = ['float32', 'float16'] as const;
export type FeatureType = (typeof DTYPES)[number];

/**
 * The kinds of files in which features are stored: tables for each split (`npy`, `safetensors`), or files of some thousand pictures each.
 */
export const STORAGES = ['npy', 'safetensors', 'parquet', 'parquet-list'] as const;
export type Storage = (typeof STORAGES)[number];
