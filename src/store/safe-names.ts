/** Names that Windows keeps for devices. */
const RESERVED = /^(con|prn|aux|nul|com\d|lpt\d)(\.|$)/i;

/** Bytes of a name: file systems end at 255, and a number may come behind it. */
const LONGEST = 200;

/**
 * Makes names for files or folders of one folder: safe on every system, and no two alike, also where upper and lower case are
 * one. `taken` are given to nobody.
 */
export function nameGiver(taken: readonly string[] = []): (name: string, ending?: string) => string {
  const given = new Set(taken.map((name) => name.toLowerCase()));
  /** How often a name was asked for: ten thousand pictures of one name are no trouble. */
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

/** Whole characters up to a number of bytes: file systems count bytes. */
function shorten(text: string, most: number): string {
  let kept = '';
  for (const character of text) {
    if (Buffer.byteLength(kept + character) > most) break;
    kept += character;
  }
  return kept.trimEnd();
}
