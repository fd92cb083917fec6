import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { documents, linkFaults, siteFaults } from '../scripts/links.mjs';

const root = join(import.meta.dirname, '..');
const faults = (text: string, other = '# Other page\n') =>
  linkFaults(
    new Map([
      [join(root, 'docs/a.md'), text],
      [join(root, 'docs/b.md'), other],
    ]),
    (path) => path === join(root, 'LICENSE'),
  );

describe('links of the documents', () => {
  it('lead to existing pages and headings', () => {
    expect(documents().size).toBeGreaterThan(20);
    expect(linkFaults(documents())).toEqual([]);
  });

  it.each([
    '[b](b.md), [licence](../LICENSE), [far](https://example.org/a_(b)), `[code](gone.md)`',
    '[here](#a-heading)\n## A `heading`',
    '[second](#same-1)\n# Same\n# Same',
    '```md\n[code](gone.md)\n```',
    '[anchor](b.md#other-page)',
    '<img src="../LICENSE">',
    '[a line](../LICENSE#L1)',
    '[the site](https://tip-adapter.github.io/tip-adapter/b#other-page)',
    '[GitHub](https://github.com/tip-adapter/tip-adapter/blob/main/LICENSE)',
  ])('are right (case %#)', (text) => expect(faults(text)).toEqual([]));

  it('are not read from a page with an unresolved merge', () => {
    expect(() => faults('a\n<<<<<<< HEAD\nb')).toThrow(
      'Line 2 is the mark of an unresolved merge: <<<<<<< HEAD',
    );
  });

  it.each([
    ['[x](gone.md)', 'docs/a.md:1: there is no docs/gone.md'],
    ['\n[x](b.md#gone)', 'docs/a.md:2: docs/b.md has no #gone'],
    ['[x](#gone)', 'docs/a.md:1: docs/a.md has no #gone'],
    ['![x](images/gone.png)', 'docs/a.md:1: there is no docs/images/gone.png'],
    ['[x](../LICENSE#gone)', 'docs/a.md:1: LICENSE has no #gone'],
    ['[x](https://gone)', 'docs/a.md:1: https://gone is not the address of a page'],
    ['[x](http://example.org)', 'docs/a.md:1: http://example.org is not the address of a page'],
    ['[x](https://tip-adapter.github.io/tip-adapter/gone)', 'docs/a.md:1: there is no docs/gone.md'],
    ['[x](https://github.com/tip-adapter/tip-adapter/blob/main/gone)', 'docs/a.md:1: there is no gone'],
    ['<a href="gone.md">x</a>', 'docs/a.md:1: there is no docs/gone.md'],
  ])('are found wrong (case %#)', (text, fault) => expect(faults(text)).toEqual([fault]));

  it('cannot hide behind a code block without an end', () => {
    expect(() => faults('```\n[x](gone.md)')).toThrow('line 1 has no end');
  });
});

describe('links of the built site', () => {
  const folder = mkdtempSync(join(tmpdir(), 'site-'));
  afterAll(() => rmSync(folder, { recursive: true }));

  function built(pages: Readonly<Record<string, string>>): string[] {
    const at = mkdtempSync(join(folder, 'built-'));
    for (const [name, html] of Object.entries(pages)) {
      mkdirSync(dirname(join(at, name)), { recursive: true });
      writeFileSync(join(at, name), html);
    }
    return siteFaults(at, '/base/');
  }

  it('are right', () => {
    const page =
      '<a href="/base/"></a><a class="x" href="/base/sub/page#here"></a><a href="https://example.org">';
    const sub = '<h1 id="here"></h1><a href="../"></a><a href="./"></a><a href="#here"></a>';
    expect(built({ 'index.html': page, 'sub/page.html': sub, 'sub/index.html': '' })).toEqual([]);
  });

  it('are found wrong', () => {
    expect(
      built({
        'index.html':
          '<a href="/base/gone"></a><a href="#gone"></a><a href="/elsewhere"></a><script src="https://example.org/x.js"></script>',
      }),
    ).toEqual([
      'index.html: there is no /base/gone',
      'index.html: index.html has no #gone',
      'index.html: /elsewhere leads out of the site',
      'index.html: https://example.org/x.js is loaded from elsewhere',
    ]);
  });
});
