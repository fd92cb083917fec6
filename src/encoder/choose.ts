import { mkdir, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { throwIfAborted } from '../errors.ts';
import { homeFolder } from '../store/home.ts';
import { hubAnswers } from '../store/hub.ts';
import type { Fetch } from '../store/network.ts';
import { BUILTIN_ID } from './builtin/packages.ts';
import { listEncoders } from './installed.ts';
import { DEFAULT_CLIP, REGISTRY, type RegisteredEncoder } from './registry.ts';

/** Options of `chooseEncoder`: the question to the user, and its timeout. */
export interface ChooseOptions {
  /** Whether a user can be asked. */
  readonly interactive?: boolean;
  /** Asks a yes/no question. The signal fires at the timeout. */
  ask?(question: string, signal: AbortSignal): Promise<boolean>;
  readonly signal?: AbortSignal;
  /** Replaces the global `fetch`. */
  readonly fetch?: Fetch;
  /** Milliseconds to wait for the answer, after which it is no (default 15,000). */
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
 * Returns the encoder to use: the wanted one, or for `auto` a CLIP that is on this machine, else the built-in one. A user at a terminal is
 * asked once whether to download CLIP, if the hub answers. The answer is remembered.
 */
export async function chooseEncoder(wanted: string, options: ChooseOptions = {}): Promise<EncoderChoice> {
  if (wanted !== 'auto') return { name: wanted, reason: `Encoder: ${wanted}.` };
  const clip = await clipOnDisk();
  if (clip) return { name: clip, reason: `Encoder: ${clip}, a CLIP on this machine.` };
  const offered = REGISTRY.find(({ id }) => id === DEFAULT_CLIP) as RegisteredEncoder;
  if (await acceptsOffer(offered, options)) {
    return { name: offered.id, reason: `Encoder: ${offered.id}, which stays on this machine.` };
  }
  const size = `${offered.megabytes} MB`;
  return {
    name: BUILTIN_ID,
    reason:
      `Encoder: ${BUILTIN_ID}, the built-in one (not CLIP), because no CLIP is on this machine; ` +
      `"tip-adapter encoders pull ${offered.id}" downloads one (${size}).`,
  };
}

/** The preferred CLIP, else the first in the registry's order, else any other pair of towers. */
async function clipOnDisk(): Promise<string | undefined> {
  const ids = (await listEncoders())
    .filter(({ record }) => record.kind === 'dual')
    .map(({ record }) => record.id);
  const order = [DEFAULT_CLIP, ...REGISTRY.map(({ id }) => id)];
  return order.find((id) => ids.includes(id)) ?? ids[0];
}

async function acceptsOffer(
  { id, megabytes, repo }: RegisteredEncoder,
  { interactive, ask, signal, fetch, patience = PERSON_PATIENCE }: ChooseOptions,
): Promise<boolean> {
  if (
    !interactive ||
    !ask ||
    (await wasOffered()) ||
    !(await hubAnswers(HUB_PATIENCE, repo as string, { signal, fetch }))
  )
    return false;
  throwIfAborted(signal);
  const stop = new AbortController();
  const question = `Download ${id} (OpenAI's CLIP, ${megabytes} MB)? It knows far more names than the built-in encoder.`;
  let timer: NodeJS.Timeout | undefined;
  const silence = new Promise<boolean>((resolve) => {
    timer = setTimeout(() => resolve(false), patience);
  });
  try {
    const answer = await Promise.race([ask(question, stop.signal), silence]);
    throwIfAborted(signal);
    await rememberOffer(answer);
    return answer;
  } finally {
    clearTimeout(timer);
    stop.abort();
  }
}

const offerFile = () => join(homeFolder(), 'clip-offer.json');

async function wasOffered(): Promise<boolean> {
  return stat(offerFile()).then(
    () => true,
    () => false,
  );
}

/** If the home cannot be written, the question is asked again next time. */
async function rememberOffer(accepted: boolean): Promise<void> {
  await mkdir(homeFolder(), { recursive: true }).catch(() => {});
  await writeFile(offerFile(), JSON.stringify({ accepted })).catch(() => {});
}
