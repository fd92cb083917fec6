import type { LabelledRows } from '../dataset/feature-dump.ts';
import { groupBy } from '../dataset/groups.ts';
import { nameKey } from '../dataset/names.ts';
import { matrix, row, selectRows, unitRows } from '../math/matrix.ts';
import { random } from '../math/random.ts';
import { keysOf, plainSupport, type Support, selectExamples } from '../methods/task.ts';
import { hashOf } from '../store/checksum.ts';
import { count } from '../words.ts';
import type { BenchSource, TestRows } from './bench-source.ts';

/** A changed copy of a source. `as` names the change and becomes part of the fingerprint, so that its cells are distinct. */
function varied(source: BenchSource, as: string, change: Partial<BenchSource>): BenchSource {
  return { ...source, fingerprint: hashOf(source.fingerprint, as), ...change };
}

/**
 * A cache of `size` keys for each class, for any number of examples. The examples of a class are divided at random into `size` parts,
 * and each part is averaged (paper, section 4.4, "size of the cache model" and "more shots").
 */
export function withCacheSize(source: BenchSource, size: number): BenchSource {
  return varied(source, `cache of ${size}`, {
    draw: (shots, seed) => {
      const support = source.draw(shots, seed);
      return support && merged(support, size, seed);
    },
  });
}

function merged(support: Support, size: number, seed: number): Support {
  const keys = keysOf(support);
  const byClass = groupBy(support.labels.keys(), (i) => support.labels[i]!);
  const parts = [...byClass].flatMap(([label, examples]) => {
    const order = random('cache size', seed, label).shuffle(examples);
    return Array.from({ length: Math.min(size, order.length) }, (_, part) => ({
      label,
      examples: order.filter((_, at) => at % size === part),
    }));
  });
  const means = matrix(parts.length, keys.cols);
  parts.forEach(({ examples }, p) => {
    const mean = row(means, p);
    for (const example of examples)
      row(keys, example).forEach((x, j) => {
        mean[j]! += x / examples.length;
      });
  });
  return plainSupport(
    unitRows(means),
    parts.map(({ label }) => label),
  );
}

/** The source with one prompt for each class instead of several. Undefined if it does not have both. */
export function withOnePrompt(source: BenchSource): BenchSource | undefined {
  const { plainHead } = source;
  return plainHead && varied(source, 'one prompt', { head: plainHead });
}

/** The source with further test sets of the same classes. Rows of classes that the source does not have are left out. */
export function alsoTestedOn(source: BenchSource, targets: readonly BenchSource[]): BenchSource {
  const rows = targets.map((target) => sharedRows(source, target));
  return varied(source, `judged on ${targets.map(({ fingerprint }) => fingerprint).join()}`, {
    testRows: (support) => {
      const [all, ...others] = source.testRows(support);
      const own = (some: TestRows) => ({ ...some, on: source.name });
      return [own(all), ...others.map(own), ...rows.map(({ leftOut, ...shared }) => shared)];
    },
  });
}

/** A target's rows in the numbering of the source, and the number of classes and rows without a counterpart. */
export function sharedRows(
  source: BenchSource,
  target: BenchSource,
): TestRows & { readonly leftOut: number } {
  const [{ features, labels }] = target.testRows(plainSupport(matrix(0, target.dimension), []));
  const same =
    source.classes.length === target.classes.length &&
    source.classes.every((name, c) => nameKey(name) === nameKey(target.classes[c]!));
  const number = new Map(source.classes.map((name, c) => [nameKey(name), c]));
  const to = target.classes.map((name, c) => (same ? c : (number.get(nameKey(name)) ?? -1)));
  const kept = [...labels.keys()].filter((i) => to[labels[i]!]! >= 0);
  return {
    on: target.name,
    features: selectRows(features, kept),
    labels: Int32Array.from(kept, (i) => to[labels[i]!]!),
    leftOut: labels.length - kept.length,
  };
}

/**
 * Base-to-new generalisation (CoCoOp, Zhou et al., CVPR 2022, section 4.1). Only the first half of the classes in the source's own order,
 * the base classes, have examples (with an odd number of classes, one more than half). Pictures of base classes are classified among base
 * classes, and pictures of new classes among new classes. The names of all classes are known.
 */
export function baseToNew(source: BenchSource): BenchSource {
  const half = Math.ceil(source.order.length / 2);
  const base = source.order.slice(0, half);
  const fresh = source.order.slice(half);
  const among = (rows: LabelledRows, on: string, classes: readonly number[]): TestRows => ({
    on,
    among: classes,
    ...ofClasses(rows, classes),
  });
  return varied(source, 'base to new', {
    draw: (shots, seed) => {
      const support = source.draw(shots, seed);
      const isBase = new Set(base);
      return (
        support &&
        selectExamples(
          support,
          [...support.labels.keys()].filter((i) => isBase.has(support.labels[i]!)),
        )
      );
    },
    // Rows of new classes are not used for tuning.
    val: source.val && ofClasses(source.val, base),
    testRows: (support) => {
      const [all] = source.testRows(support);
      return [{ ...all, on: 'all' }, among(all, 'base', base), among(all, 'new', fresh)];
    },
    how: `${source.how}; examples of the first ${base.length} of ${count(source.order.length, 'class', 'classes')}`,
  });
}

/**
 * Unbalanced examples: `shots` of the most frequent class, one of the rarest, with an exponential decay between (Cui et al., CVPR 2019,
 * section 5.1). The seed draws the order of the classes. Tested on all rows, and on those of the rarest and the most frequent third.
 */
export function unbalanced(source: BenchSource): BenchSource {
  return varied(source, 'unbalanced', {
    seeded: true,
    testsByDraw: true,
    draw: (shots, seed) => {
      const support = source.draw(shots, seed);
      return support && thinned(support, shots, source.classes.length, seed);
    },
    testRows: (support) => {
      const [all] = source.testRows(support);
      const counts = source.classes.map((_, c) => support.labels.filter((label) => label === c).length);
      const ranked = [...counts.keys()].sort((a, b) => counts[a]! - counts[b]! || a - b);
      const third = Math.max(1, Math.floor(ranked.length / 3));
      return [
        { ...all, on: 'all' },
        { on: 'rarest third', ...ofClasses(all, ranked.slice(0, third)) },
        { on: 'most frequent third', ...ofClasses(all, ranked.slice(-third)) },
      ];
    },
  });
}

function ofClasses({ features, labels }: LabelledRows, classes: readonly number[]): LabelledRows {
  const isOne = new Set(classes);
  const kept = [...labels.keys()].filter((i) => isOne.has(labels[i]!));
  return { features: selectRows(features, kept), labels: Int32Array.from(kept, (i) => labels[i]!) };
}

function thinned(support: Support, shots: number, classes: number, seed: number): Support {
  const draw = random('unbalanced', seed);
  const rank = draw.shuffle(Array.from({ length: classes }, (_, c) => c));
  const byClass = groupBy(support.labels.keys(), (i) => support.labels[i]!);
  const kept = rank.flatMap((c, place) => {
    const wanted = Math.max(1, Math.round(shots ** (1 - place / Math.max(1, classes - 1))));
    return draw.shuffle(byClass.get(c) ?? []).slice(0, wanted);
  });
  return selectExamples(
    support,
    kept.sort((a, b) => a - b),
  );
}
