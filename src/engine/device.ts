/** What computes: the CPU everywhere, the others where the machine and the runtime's build have them. Experimental but `cpu`. */
export const DEVICES = ['cpu', 'cuda', 'webgpu', 'coreml'] as const;
/** What an engine computes on; one of `DEVICES`. */
export type Device = (typeof DEVICES)[number];

/** What an engine is made with. */
export interface EngineOptions {
  /** Default `cpu`. A device that refuses is replaced by the CPU, and `note` is told so once. */
  device?: Device;
  /** Cores one product may use (default: all). */
  threads?: number;
  /** Takes the one line about a device that refused; default `console.warn`. */
  note?(line: string): void;
}

/** The sentence of a runtime's refusal that a person can use: without paths into its source. */
export function refusalOf(message: string): string {
  const first = message.trim().split('\n')[0]!;
  return first.match(/\b(?:failed to|backend not|no available|cannot|unsupported)\b.*$/i)?.[0] ?? first;
}
