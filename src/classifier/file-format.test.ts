import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { npy } from '../bench/dump.fixture.ts';
import { matrix, softmaxRows } from '../math/matrix.ts';
import { random } from '../math/random.ts';
import { listMethods, methodById } from '../methods/index.ts';
import { scoreRows } from '../methods/score.ts';
import type { Support } from '../methods/task.ts';
import { headFromPrompts } from '../methods/text-head.ts';
import { resolveOptions } from '../options.ts';
import { UNTUNED } from '../tuning/search-method.ts';
import { taskOf } from './classifier-task.ts';
import { decodeClassifier } from './decode.ts';
import { classifierBytes } from './file-bytes.ts';
import { FORMAT } from './file-parts.ts';
import { unlearnt } from './learn.ts';
import { rounded } from './rounding.ts';
import type { ClassifierData } from './types.ts';

const page = readFileSync(new URL('../../docs/file-format.md', import.meta.url), 'utf8');
const program = /```python\n([\s\S]*?)```/.exec(page)![1]!;
const python = spawnSync('python3', ['-c', 'import numpy']).status === 0;

/** The methods that `auto` chooses from, and the two others of the page. */
const AUTO = listMethods().flatMap(({ id, auto }) => (auto ? [id] : []));
const METHODS = [...AUTO, 'stack', 'zero-shot', 'tip-adapter'];

const [CLASSES, WIDTH] = [3, 8];
/** More examples than numbers in a row and fewer, so that a covariance has either form. */
const LABELS = { many: [0, 0, 0, 0, 1, 1, 1, 1, 1, 2, 2, 2], few: [0, 0, 1, 1, 2] };
const noise = random('file format');
const rows = (n: number) => {
  const data = Float32Array.from({ length: n * WIDTH }, () => noise.normal());
  return matrix(n, WIDTH, data);
};
const queries = rows(5);

interface Form {
  readonly labels: keyof typeof LABELS;
  readonly keys: 'half' | 'int8';
  readonly views: boolean;
  readonly text: boolean;
}
const FORMS: readonly Form[] = [
  { labels: 'many', keys: 'half', views: false, text: true },
  { labels: 'few', keys: 'int8', views: true, text: true },
  { labels: 'few', keys: 'half', views: true, text: false },
];

function known({ labels: how, keys, views, text }: Form): ClassifierData {
  const labels = Int32Array.from(LABELS[how]);
  // The last example has only its plain view.
  const places = [...labels.keys()].flatMap((example) =>
    (views && example < labels.length - 1 ? [0, 1, 2] : [0]).map((view) => ({ example, view })),
  );
  const support: Support = {
    features: rounded(rows(places.length), keys),
    example: Int32Array.from(places, ({ example }) => example),
    view: Int32Array.from(places, ({ view }) => view),
    labels,
    groups: Int32Array.from(labels.keys()),
  };
  const names = ['ant', 'bee', 'cow'];
  const promptClass = Int32Array.of(0, 0, 1, 2, 2);
  const head = headFromPrompts(rounded(rows(promptClass.length), 'half'), promptClass, CLASSES, 10);
  const prompts = [['ant', 'an ant'], ['bee'], ['cow', 'a cow']];
  return {
    ...unlearnt({
      classes: names.map((id) => ({ id, name: id, promptName: id, prompts: [] })),
      templates: ['{}'],
      encoder: {
        ...{ id: 'test', fingerprint: 'a'.repeat(64), source: 'test', licence: 'MIT' },
        ...{ dimension: WIDTH, logitScale: 10 },
      },
      ...(text && { head: { ...head, prompts } }),
      support,
      examples: [...labels.keys()].map((i) => ({ id: `${i}`, sha256: '0'.repeat(64) })),
      dataset: 'test',
    }),
    ...(views && { views: 3 }),
    ...(keys === 'int8' && { keys: { type: 'int8', cosine: 0, probability: 0, agreement: 1 } as const }),
    tuning: { ...UNTUNED, temperature: 1.7 },
  };
}

async function fitted(id: string, data: ClassifierData): Promise<ClassifierData> {
  const part = (share: number) => ({ options: {}, sharpness: 2, share });
  const parts = Object.fromEntries(
    AUTO.filter((own) => data.head || !methodById(own).needs.includes('text')).map((own, i) => [
      own,
      part((i + 1) / 20),
    ]),
  );
  const method = methodById(id);
  const options = resolveOptions(method.options, id === 'stack' ? { parts } : {});
  return { ...data, method: id, options, state: await method.fit(taskOf(data), options) };
}

const folder = mkdtempSync(join(tmpdir(), 'file-format-'));
afterAll(() => rmSync(folder, { recursive: true }));

describe('the page of the file format', () => {
  it('has the format of the files, and a row for every method that auto chooses from', () => {
    expect(page).toContain(`\`${FORMAT}\``);
    for (const id of METHODS) {
      expect(page).toContain(`| \`${id}\` |`);
      expect(program).toContain(`method == '${id}'`);
    }
  });

  it.skipIf(!python)(
    `has a program that gives the classifier's probabilities${python ? '' : ' (skipped: python3 has no NumPy)'}`,
    async () => {
      const expected: Record<string, number[]> = {};
      for (const [f, form] of FORMS.entries()) {
        const data = known(form);
        for (const id of METHODS) {
          if (!data.head && methodById(id).needs.includes('text')) continue;
          const bytes = classifierBytes(await fitted(id, data));
          writeFileSync(join(folder, `${id}-${f}`), bytes);
          const read = await decodeClassifier(bytes);
          const scores = scoreRows(methodById(id), read.state, taskOf(read), queries);
          expected[`${id}-${f}`] = [...softmaxRows(scores, read.tuning.temperature).data];
        }
      }
      writeFileSync(join(folder, 'f.npy'), npy(queries));
      const names = Object.keys(expected);
      const loop = `import sys\nf = np.load('f.npy')\nprint(json.dumps({name: probabilities(name, f).ravel().tolist() for name in sys.argv[1:]}))`;
      const { stdout, stderr } = spawnSync('python3', ['-c', `${program}\n${loop}`, ...names], {
        ...{ cwd: folder, encoding: 'utf8' },
      });
      expect(stderr).toBe('');
      const got = JSON.parse(stdout) as Record<string, number[]>;
      for (const name of names)
        got[name]!.forEach((p, i) => {
          expect(Math.abs(p - expected[name]![i]!), `${name} ${i}`).toBeLessThan(1e-5);
        });
      expect(names.length).toBeGreaterThan(2 * METHODS.length);
    },
  );
});
