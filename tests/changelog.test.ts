import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { changelogFault } from '../scripts/changelog.mjs';

const GOOD = `# Changelog

## [Unreleased]

### Added

- A method.

## [0.2.0] - 2026-01-31

### Fixed

- A fault.

[0.2.0]: https://example.org
`;

describe('the changelog', () => {
  it('has its form', () => {
    const text = readFileSync(join(import.meta.dirname, '../CHANGELOG.md'), 'utf8').replaceAll('\r\n', '\n');
    expect(changelogFault(text, { changed: false })).toBeUndefined();
  });

  it.each([
    [GOOD, { changed: true }, undefined],
    [GOOD, { changed: true, version: '0.2.0' }, undefined],
    [GOOD, { changed: false, version: '0.3.0' }, 'the newest version must be 0.3.0'],
    [GOOD.replace('- A method.\n', ''), { changed: true }, 'src changed after the last tag'],
    [GOOD.replace('### Added\n\n- A method.\n\n', ''), { changed: true }, 'src changed after the last tag'],
    [GOOD.replace('### Added\n\n- A method.\n\n', ''), { changed: false }, undefined],
    [GOOD.replace('- A fault.\n', ''), { changed: false }, '"## [0.2.0] - 2026-01-31" has no entry'],
    [GOOD.replace(' - 2026-01-31', ''), { changed: false }, '"## [0.2.0]" must be'],
    [GOOD.replace('### Added', '### New'), { changed: false }, '"### New" must be one of Added,'],
    [GOOD.replace('## [Unreleased]', '## Next'), { changed: false }, 'the first part must be'],
  ])('is refused if something is wrong (case %#)', (text, about, fault) => {
    if (fault === undefined) expect(changelogFault(text, about)).toBeUndefined();
    else expect(changelogFault(text, about)).toContain(fault);
  });
});
