import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { parseMarkdown, slugOf } from '../scripts/markdown.mjs';
import { errorLink } from '../src/errors.ts';

const root = join(import.meta.dirname, '..');
const page = readFileSync(join(root, 'docs/troubleshooting.md'), 'utf8').replaceAll('\r\n', '\n');
const listed = [...page.matchAll(/^### (.*)$/gm)].map(([, code]) => code!);

const src = readdirSync(join(root, 'src'), { recursive: true, encoding: 'utf8' })
  .filter((name) => /\.ts$/.test(name) && !/\.(test|fixture|d)\.ts$/.test(name))
  .map((name) => [name.replaceAll('\\', '/'), readFileSync(join(root, 'src', name), 'utf8')] as const)
  .filter(([name]) => !name.startsWith('studio/web/'));

/** Files whose errors have codes of two parts, with the calls that give the second part. */
const TWO_PARTS: Readonly<Record<string, readonly [area: string, call: RegExp]>> = {
  'store/npy.ts': ['npy', /\brefuse\(\s*'([a-z-]+)'/g],
  'store/safetensors.ts': ['safetensors', /\bfail\(\s*'([a-z-]+)'/g],
  'store/safetensors-header.ts': ['safetensors', /\bfail\(\s*'([a-z-]+)'/g],
  'store/tar.ts': ['tar', /\bfail\(\s*'([a-z-]+)'/g],
  'store/zip.ts': ['zip', /\bfail\(\s*'([a-z-]+)'/g],
  'store/zip-directory.ts': ['zip', /\bfail\(\s*'([a-z-]+)'/g],
  'encoder/checked.ts': ['encoder', /\brefuse\([^']*'([a-z-]+)'/g],
  'dataset/folder-checks.ts': ['dataset', /\brefusal\(\s*tree,\s*'([a-z-]+)'/g],
  'system-error.ts': ['disk', /(?:^ {4}E[A-Z]+: \[|\?\? \[\s+)'([a-z-]+)'/gm],
};

/** The codes in a file: complete codes, and codes of two parts. */
function codesIn(name: string, text: string): string[] {
  const whole = [...text.matchAll(/\bcode:([^,}]*)/g)].flatMap(([, value]) =>
    [...value!.matchAll(/'([a-z0-9-]+\/[a-z0-9-]+|usage|import|interrupted|unexpected)'/g)].map(
      ([, code]) => code!,
    ),
  );
  const named = [
    ...text.matchAll(/^(?:export )?const (?:DIED|NATIVE_REFUSED) = '([a-z]+\/[a-z-]+)';$/gm),
  ].map(([, code]) => code!);
  const [area, call] = TWO_PARTS[name] ?? ['', /(?!)/g];
  return [...whole, ...named, ...[...text.matchAll(call)].map(([, part]) => `${area}/${part}`)];
}

/** Codes of findings, which are not errors. */
const isFinding = (text: string, code: string) =>
  new RegExp(`level: (?:[^,']*)'(?:info|warning)'(?: : 'info')?,\\s+code: '${code}'`).test(text) ||
  /emptied-class$/.test(code);

const closed = src.flatMap(([, text]) =>
  [...text.matchAll(/closedError\('([a-z ]+)'\)/g)].map(([, what]) => `${what!.replaceAll(' ', '-')}/closed`),
);
const readFrom = src.flatMap(([, text]) =>
  [...text.matchAll(/\barea: '([a-z]+)'/g)].flatMap(([, area]) =>
    ['missing', 'unreadable', 'too-many-bytes'].map((part) => `${area}/${part}`),
  ),
);
const codes = new Set([
  ...closed,
  ...readFrom,
  ...src.flatMap(([name, text]) => codesIn(name, text).filter((code) => !isFinding(text, code))),
]);

describe('docs/troubleshooting.md', () => {
  it('has a heading for every code of an error', () => {
    expect(codes.size).toBeGreaterThan(300);
    expect([...codes].filter((code) => !listed.includes(code)).sort()).toEqual([]);
  });

  it('has no heading for a code that no error has', () => {
    const source = src.map(([, text]) => text).join('\n');
    const stale = listed.filter((code) => !codes.has(code) && !source.includes(`'${code}'`));
    expect(stale.sort()).toEqual([]);
  });

  it('gives each code an anchor of its own', () => {
    const { anchors } = parseMarkdown(page);
    expect(new Set(listed).size).toBe(listed.length);
    for (const code of listed) {
      expect(slugOf(code)).toBe(code.replace('/', ''));
      expect(anchors).toContain(slugOf(code));
    }
  });

  it('is linked from each error by the address of the site and the anchor of the heading', () => {
    const { homepage } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'));
    for (const code of listed) expect(errorLink(code)).toBe(`${homepage}troubleshooting#${slugOf(code)}`);
  });

  it('knows every file that makes codes of two parts', () => {
    const making = src
      .filter(([, text]) => /\bcode: `[a-z]+\/\$\{/.test(text) && /throw|new \w*Error/.test(text))
      .map(([name]) => name);
    for (const name of making) expect(Object.keys(TWO_PARTS), name).toContain(name);
  });
});
