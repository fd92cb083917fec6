import type { Encoder } from './types.ts';

/** Whether a fingerprint, which may be from an earlier version, is that of an encoder. */
export function hasFingerprint(
  { fingerprint, formerFingerprint }: Pick<Encoder, 'fingerprint' | 'formerFingerprint'>,
  known: string,
): boolean {
  return known === fingerprint || (formerFingerprint !== undefined && known === formerFingerprint);
}
