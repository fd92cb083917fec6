import { join } from 'node:path';
import { throwIfAborted } from '../errors.ts';
import { writeFileAtomic } from '../store/atomic.ts';
import { homeFolder } from '../store/home.ts';
import { hubAnswers } from '../store/hub.ts';
import type { Fetch } from '../store/network.ts';
import { readRegularText } from '../store/regular.ts';
import { BUILTIN_ID } from './builtin/packages.ts';
import { type ClipPart, hasParts, noneHasParts } from './clip-parts.ts';
import { listEncoders } from './installed.ts';
import { DEFAULT_CLIP, REGISTRY, type RegisteredEncoder } from './registry.ts';

/** Options of `chooseEncoder`: the question to the user, and its timeout. */
export interface ChooseOptions {
  /**
   * Asks a yes/no question, with the answer of a user who only confirms. The signal fires at the timeout. Absent if nobody can be asked;
   * then the variable TIP_ADAPTER_YES agrees to the download.
   */
  ask?(question: string, signal: AbortSignal, preset: boolean): Promise<boolean>;
  /** Parts that the encoder must have for the method. `auto` then takes only an encoder on this machine that has them. */
  readonly parts?: readonly ClipPart[];
  readonly signal?: AbortSignal;
  /** Replaces the global `fetch`. */
  readonly fetch?: Fetch;
  /** Milliseconds to wait for the answer, after which it is yes (default 15,000). */
  readonly patience?: number;
}

/** The chosen encoder. */
export interface EncoderChoice {
  readonly name: string;
  /** One line for people: which encoder is used, and why. */
  readonly reason: string;
}

const HUB_PATIENCE = 2_000;
const PERSON_PATIENCE = 15_000;

/**
 * Returns the encoder to use: the wanted one, or for `auto` a CLIP that is on this machine, else a small CLIP if the hub answers and the
 * user agrees to the download, else the built-in one. A user who declined is not asked again. Throws `UsageError`
 * (`encoder/from-weights`) for `auto` if no encoder on this machine has the wanted parts.
 */
export async function chooseEncoder(wanted: string, options: ChooseOptions = {}): Promise<EncoderChoice> {
  if (wanted !== 'auto') return { name: wanted, reason: `Encoder: ${wanted}.` };
  const { parts = [] } = options;
  const clip = await clipOnDisk(parts);
  if (clip) return { name: clip, reason: `Encoder: ${clip}, a CLIP on this machine.` };
  // The CLIP that would be downloaded is not built from weights.
  if (parts.length > 0) throw noneHasParts(parts);
  const offered = REGISTRY.find(({ id }) => id === DEFAULT_CLIP) as RegisteredEncoder;
  const { id, megabytes, licence } = offered;
  const obstacle = await obstacleTo(offered, options);
  return obstacle === undefined
    ? {
        name: id,
        reason: `Encoder: ${id}, a small CLIP (${megabytes} MB, licence ${licence}), because no other CLIP is on this machine. It is downloaded once.`,
      }
    : {
        name: BUILTIN_ID,
        reason:
          `Encoder: ${BUILTIN_ID}, the built-in one (not CLIP), because no CLIP is on this machine${obstacle}; ` +
          `"tip-adapter encoders pull ${id}" downloads one (${megabytes} MB).`,
      };
}

/** The first CLIP with these parts in the registry's order, else any other such pair of towers. */
async function clipOnDisk(parts: readonly ClipPart[]): Promise<string | undefined> {
  const local = await listEncoders();
  const named = REGISTRY.flatMap(({ id }) => local.find(({ record }) => record.id === id) ?? []);
  for (const encoder of new Set([...named, ...local]))
    if (await hasParts(encoder, parts)) return encoder.record.id;
  return undefined;
}

/** The reason not to download an encoder, as the end of a sentence; empty if nobody can agree. Undefined if it may be downloaded. */
async function obstacleTo(
  { id, megabytes, licence, repo }: RegisteredEncoder,
  { ask, signal, fetch, patience = PERSON_PATIENCE }: ChooseOptions,
): Promise<string | undefined> {
  const agreed = Boolean(process.env.TIP_ADAPTER_YES);
  if (!agreed && !ask) return '';
  if (!agreed && (await declined()) === id) return ' and its download was declined';
  if (!(await hubAnswers(HUB_PATIENCE, repo as string, { signal, fetch })))
    return ' and the Hugging Face hub does not answer';
  throwIfAborted(signal);
  if (agreed || !ask) return undefined;
  const stop = new AbortController();
  const question = `Download ${id} (${megabytes} MB, licence ${licence})? It knows far more names than the built-in encoder.`;
  let timer: NodeJS.Timeout | undefined;
  const silence = new Promise<boolean>((resolve) => {
    timer = setTimeout(() => resolve(true), patience);
  });
  try {
    const answer = await Promise.race([ask(question, stop.signal, true), silence]);
    throwIfAborted(signal);
    if (answer) return undefined;
    // If the home cannot be written, the question is asked again next time.
    await writeFileAtomic(declineFile(), JSON.stringify({ declined: id })).catch(() => {});
    return ' and its download was declined';
  } finally {
    clearTimeout(timer);
    stop.abort();
  }
}

const declineFile = () => join(homeFolder(), 'clip-offer.json');

/** The id of the encoder whose download the user declined. */
async function declined(): Promise<string | undefined> {
  return readRegularText(declineFile(), { area: 'encoder' })
    .then((text) => JSON.parse(text).declined)
    .catch(() => undefined);
}
