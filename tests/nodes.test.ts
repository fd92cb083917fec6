import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { interpreter, TESTED_NODES } from '../src/cli/examine.ts';

const read = (path: string) => readFileSync(join(import.meta.dirname, '..', path), 'utf8');

describe('the Node versions', () => {
  it('are the same in the README, in engines and in continuous integration', () => {
    const [last, ...others] = [...TESTED_NODES].reverse();
    expect(read('README.md').replaceAll('\n', ' ')).toContain(
      `tested on ${others.reverse().join(', ')} and ${last}`,
    );
    const { engines } = JSON.parse(read('package.json'));
    for (const line of TESTED_NODES)
      expect(engines.node).toContain(Number.parseInt(line, 10) < 26 ? line : '>=24');
    const listed = /OTHER_NODES = (\{.*\})/.exec(read('scripts/ci.mjs'))?.[1] as string;
    const majors = [...listed.matchAll(/\d+(?=:)/g)].map(([major]) => major);
    expect(majors).toEqual(TESTED_NODES.slice(1));
    const matrix = /node: (\[.*\])/.exec(read('.github/workflows/ci.yml'))?.[1] as string;
    expect(matrix).toBe(`[${TESTED_NODES.map((line) => `'${line}'`).join(', ')}]`);
  });

  it.each([
    [{ node: '24.21.0' }, 'Node', 'ok', /^24\.21\.0, tip-adapter \S+$/],
    [{ node: '25.9.0' }, 'Node', 'note', /; tested on 20\.19, 22, 24, 26$/],
    [{ node: '20.18.3' }, 'Node', 'bad', /^20\.18\.3/],
    [{ node: '24.3.0', bun: '1.4.5' }, 'Bun', 'note', /^1\.4\.5 \(as Node 24\.3\.0\)/],
    [{ node: '24.2.0', deno: '2.9.6' }, 'Deno', 'note', /^2\.9\.6 \(as Node 24\.2\.0\)/],
  ])('doctor names %j as what it is', (versions, name, state, found) => {
    const check = interpreter(versions as unknown as NodeJS.ProcessVersions);
    expect(check).toMatchObject({ name, state, found: expect.stringMatching(found) });
  });
});
