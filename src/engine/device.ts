/** The devices: `cpu` works everywhere. The others need the hardware and a build of ONNX Runtime that supports it, and are experimental. */
export const DEVICES = ['cpu', 'cuda', 'webgpu', 'coreml'] as const;
/** The device that an engine computes on: one of `DEVICES`. */
export type Device = (typeof DEVICES)[number];

/** Options of `createEngine`. */
export interface EngineOptions {
  /** Default `cpu`. If the device cannot be used, the CPU replaces it, and `note` is called once. */
  device?: Device;
  /** Number of cores that one matrix product may use (default: all). */
  threads?: number;
  /** Receives one line when the device or the native build cannot be used; default `console.warn`. */
  note?(line: string): void;
}

/** The useful sentence of a runtime's error message, without the paths into the runtime's source. */
export function refusalOf(message: string): string {
  const first = message.trim().split('\n')[0]!;
  return first.match(/\b(?:failed to|backend not|no available|cannot|unsupported)\b.*$/i)?.[0] ?? first;
}
