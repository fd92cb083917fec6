import type { Preprocessing } from '../image/types.ts';

/** What the page knows of its classifier, beside the model. */
export interface About {
  readonly title: string;
  /** Shown names, in the order of the model's probabilities. */
  readonly labels: readonly string[];
  readonly preprocessing: Preprocessing;
  /** Whether photos are turned the way the camera says. */
  readonly exif: boolean;
  /** Whether the probabilities are calibrated. */
  readonly calibrated: boolean;
  /** Below this probability the answer is "none of these". */
  readonly reject: number;
  /** What it was made of and by, in words. */
  readonly origin: string;
}

/** What the page tells its worker, and what comes back. */
export type Asked =
  | { kind: 'open'; model: Uint8Array; wasm: Uint8Array; preprocessing: Preprocessing }
  | {
      kind: 'classify';
      id: number;
      raster: { width: number; height: number; data: Uint8Array; palette: boolean };
    };
export type Told =
  | { kind: 'ready' }
  | { kind: 'answer'; id: number; probabilities: Float32Array }
  | { kind: 'failed'; id?: number; reason: string };
