/** Names that Windows reserves for devices. */
const RESERVED = /^(con|prn|aux|nul|com\d|lpt\d)(\.|$)/i;

/** Longest name in bytes. File systems allow 255; a number may be appended. */
const LONGEST = 200;

/**
 * Makes names for files or folders within one folder. They are safe on every system, and unique even if case is ignored. Names in
 * `taken` are not used.
 */
export function nameGiver(taken: readonly string[] = []): (name: string, ending?: string) => string {
  const given = new Set(taken.map((name) => name.toLowerCase()));
  /** How often each name was asked for, so that ten thousand pictures of the same name take linear time. */
  const asked = new Map<string, number>();
  return (name, ending = '') => {
    const safe = safeName(name);
    const key = (safe + ending).toLowerCase();
    let n = (asked.get(key) ?? 0) + 1;
    let own = n === 1 ? safe + ending : `${safe} (${n})${ending}`;
    while (given.has(own.toLowerCase())) own = `${safe} (${++n})${ending}`;
    asked.set(key, n);
    given.add(own.toLowerCase());
    return own;
  };
}

function safeName(name: string): string {
  const plain = name
    .normalize('NFC')
    .replace(/[<>:"/\\|?*\p{Cc}]+/gu, '_')
    .replace(/^[\s.]+|[\s.]+$/g, '');
  const short = shorten(plain, LONGEST);
  return short === '' || RESERVED.test(short) ? `_${short}` : short;
}

/** Shortens a text to at most `most` bytes without splitting a character: file systems limit bytes. */
function shorten(text: string, most: number): string {
  let kept = '';
  for (const character of text) {
    if (encoder.encode(kept + character).length > most) break;
    kept += character;
  }
  return kept.trimEnd();
}

const encoder = new TextEncoder();
