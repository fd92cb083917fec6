import type { Problem, Status } from '../../status.ts';
import type { Backend } from '../api.ts';

/** The calls to the worker: those of the back end that it can answer. */
export const CALLS = [
  'board',
  'change',
  'methods',
  'answerDownload',
  'projects',
  'changeProject',
  'sample',
  'sampleSource',
  'samples',
  'stop',
  'pause',
  'keep',
  'keepZip',
  'settle',
  'try',
  'next',
  'guesses',
  'map',
  'size',
  'check',
  'export',
  'removeDeleted',
  'rescue',
] as const satisfies readonly (keyof Backend)[];

export type Calls = Required<Pick<Backend, (typeof CALLS)[number]>>;

export interface Asked {
  readonly id: number;
  readonly call: (typeof CALLS)[number];
  readonly given: readonly unknown[];
}

export type Told =
  | { readonly id: number; readonly value: unknown }
  | { readonly id: number; readonly status: number; readonly problem: Problem }
  /** The worker has opened a project: its folder in the browser's storage. */
  | { readonly opened: string }
  /** Another tab has the studio open. */
  | { readonly isElsewhere: true }
  /** The studio cannot be opened. */
  | { readonly problem: Problem }
  /** A notice for the person. The work goes on. */
  | { readonly note: Problem }
  | { readonly state: Status };
