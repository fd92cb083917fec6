import { mkdir, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { throwIfAborted } from '../errors.ts';
import { homeFolder } from '../store/home.ts';
import { hubAnswers } from '../store/hub.ts';
import type { Fetch } from '../store/network.ts';
import { BUILTIN_ID } from './builtin/packages.ts';
import { listEncoders } from './installed.ts';
import { DEFAULT_CLIP, REGISTRY, type RegisteredEncoder } from './registry.ts';

/** Who is asked, and for how long. */
export interface ChooseOptions {
  /** A person is there to be asked. */
  readonly interactive?: boolean;
  /** Puts a yes-or-no question; the signal fires when its time is over. */
  ask?(question: string, signal: AbortSignal): Promise<boolean>;
  readonly signal?: AbortSignal;
  /** In place of the web's fetch. */
  readonly fetch?: Fetch;
  /** Milliseconds after which no answer is a no (default 15,000). */
  readonly patience?: number;
}

/** The encoder that is used. */
export interface EncoderChoice {
  readonly name: string;
  /** One line for people: which encoder is used, and why. */
  readonly reason: string;
}

const HUB_PATIENCE = 2_000;
const PERSON_PATIENCE = 15_000;

/**
 * Which encoder to use: the one asked for; for `auto` a CLIP that is on this machine, else the built-in one. A person at a
 * terminal is offered CLIP once, if the hub answers; the answer is remembered.
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

/** A home that cannot be written only means that the question comes again. */
async function rememberOffer(accepted: boolean): Promise<void> {
  await mkdir(homeFolder(), { recursive: true }).catch(() => {});
  await writeFile(offerFile(), JSON.stringify({ accepted })).catch(() => {});
}
