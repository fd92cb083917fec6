import type { CanvasPixels, Preprocessing } from '../image/types.ts';

/** Facts of the classifier that the page has beside the model. */
export interface About {
  readonly title: string;
  /** Shown names, in the order of the model's probabilities. */
  readonly labels: readonly string[];
  readonly preprocessing: Preprocessing;
  /** Whether photos are turned by their EXIF orientation. */
  readonly exif: boolean;
  /** Whether the probabilities are calibrated. */
  readonly calibrated: boolean;
  /** Below this probability the answer is "none of these". */
  readonly reject: number;
  /** The encoder, the programs and their licences, in words. */
  readonly origin: string;
}

/** Messages of the page to its worker (`Asked`) and of the worker to the page (`Told`). */
export type Asked =
  | { kind: 'open'; model: Uint8Array; wasm: Uint8Array; preprocessing: Preprocessing }
  | { kind: 'classify'; id: number; pixels: CanvasPixels };
export type Told =
  | { kind: 'ready' }
  | { kind: 'answer'; id: number; probabilities: Float32Array }
  | { kind: 'failed'; id?: number; reason: string };
