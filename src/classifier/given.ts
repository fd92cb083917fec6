import type { Finding } from '../dataset/types.ts';
import { currentNames } from '../deprecation.ts';
import { checkTemplate, presetTemplates } from '../encoder/prompts.ts';
import { UsageError } from '../errors.ts';
import { listMethods, methodById, tipAdapter } from '../methods/index.ts';
import { methodIfKnown } from '../methods/list.ts';
import { type Options, resolveOptions } from '../options.ts';
import type { FitValues } from './fit-options.ts';

/** The given options about the method and its constants. */
export interface Wanted {
  /** A method's id, or `auto`. */
  readonly method: string;
  readonly tune: FitValues['tune'];
  /** Values of the options alpha and beta. A given value is not searched. */
  readonly alpha?: number;
  readonly beta?: number;
  /** Names the grid of the published search. */
  readonly prompts?: string;
  /** Whether `auto` considers only methods that need no training. */
  readonly trainingFree?: boolean;
  /** Whether all classes are to count alike, although they have different numbers of examples. */
  readonly balance?: boolean;
  /** Values of the method's options. */
  readonly options?: Readonly<Record<string, unknown>>;
}

/** The wanted method and the given values of its options. */
export interface Asked {
  readonly id: string;
  /** Checked. */
  readonly given: Readonly<Record<string, unknown>>;
}

/**
 * The wanted method and its given options. If alpha, beta or the published search is given without a method, the method is Tip-Adapter.
 * Throws `UsageError` that names option and method if an option would change nothing.
 */
export function askedFor({ method, tune, alpha, beta, trainingFree, ...wanted }: Wanted): Asked {
  const options = currentNames(methodIfKnown(method)?.options ?? {}, wanted.options ?? {});
  for (const [name, value] of Object.entries({ alpha, beta })) {
    if (value === undefined || options[name] === undefined) continue;
    throw new UsageError(`Option ${name} is given twice`, {
      code: 'method/option',
      hint: 'Give it once.',
      details: { option: name },
    });
  }
  const all = Object.entries({ alpha, beta, ...options }).filter(([, value]) => value !== undefined);
  const names = all.map(([name]) => name);
  const isCache = names.includes('alpha') || names.includes('beta') || tune === 'paper';
  const id = method === 'auto' && isCache ? tipAdapter.id : method;
  const chosen = id === 'auto' ? undefined : methodById(id);
  if (chosen?.composite) {
    throw new UsageError(`The method ${id} cannot be chosen by name: auto makes it`, {
      code: 'method/composite',
      hint: 'Use auto.',
      details: { method: id },
    });
  }
  const table: Options = chosen?.options ?? {};
  const foreign = names.find((name) => !(name in table));
  if (foreign !== undefined) throw hasNone(id, foreign);
  const own = Object.fromEntries(names.map((name) => [name, table[name]!]));
  const given = resolveOptions(own, Object.fromEntries(all));
  if (trainingFree && id !== 'auto') {
    throw noEffect('trainingFree', id, 'It affects only the choice of auto. Leave out one of the two.');
  }
  const vain = chosen?.overridden?.find((pair) => pair.every((name) => names.includes(name)));
  if (vain) throw noEffect(vain[1], id, `${vain[0]} decides it. Leave out one of the two.`);
  if (tune === 'fixed' && given.thorough) {
    throw noEffect('thorough', id, 'With --tune fixed nothing is chosen. Leave out one of the two.');
  }
  const tuned = names.find((name) => name === 'alpha' || name === 'beta');
  if (tuned !== undefined && (tune === 'val' || tune === 'paper')) {
    throw new UsageError(`${tuned} of ${id} cannot be both given and tuned on a split`, {
      code: 'fit/tune',
      hint: `Leave out ${tuned}, or use --tune fixed or folds, which keep what is given.`,
      details: { method: id, option: tuned },
    });
  }
  return { id, given };
}

/** Further options of a fit that only some methods use. */
interface Circumstances {
  readonly views?: number;
  readonly template?: readonly string[];
  readonly prompts?: string;
  readonly resume?: boolean;
  readonly checkpoint?: string;
}

/** Throws `UsageError` that names option and method if a given option of a fit would change nothing. */
export function checkGiven(wanted: Wanted & Circumstances): void {
  const { id } = askedFor(wanted);
  const { views = 1, template, prompts, resume, checkpoint } = wanted;
  template?.forEach(checkTemplate);
  if (prompts !== undefined) presetTemplates(prompts);
  if (template !== undefined && prompts !== undefined) {
    throw new UsageError('The options template and prompts exclude each other', {
      code: 'fit/prompts',
      hint: 'A preset is a list of templates. Leave out one of the two.',
    });
  }
  if (resume && checkpoint === undefined) {
    throw new UsageError('Option resume needs the checkpoint that an interrupted training left', {
      code: 'fit/resume',
      hint: 'Give the option checkpoint, or leave out resume.',
    });
  }
  if (id === 'auto') {
    if (resume) throw noEffect('resume', id, NOT_TRAINED);
    return;
  }
  const method = methodById(id);
  if (resume && !method.trains) throw noEffect('resume', id, NOT_TRAINED);
  if (method.ignores?.includes('views') && views > 1) {
    throw noEffect('views', id, 'The method does not learn from examples.');
  }
}

/** Reports prompts that are given to a method that does not use them. They are kept for other methods. */
export function promptFindings(method: string, { template, prompts }: Circumstances): Finding[] {
  if ((template ?? prompts) === undefined || !methodById(method).ignores?.includes('prompts')) return [];
  const message = `${method} does not use prompts; the given ones are kept in the classifier and do not change its answers`;
  return [{ level: 'warning', code: 'fit/unread-prompts', message }];
}

const NOT_TRAINED = 'The method is not trained in steps, so there is nothing to continue.';

function noEffect(option: string, method: string, why: string): UsageError {
  return new UsageError(`Option ${option} has no effect with ${method}`, {
    code: 'method/option',
    hint: why,
    details: { method, option },
  });
}

function hasNone(method: string, option: string): UsageError {
  const having = listMethods()
    .filter(({ options }) => option in options)
    .map(({ id }) => id);
  return new UsageError(`${method} has no option ${option}`, {
    code: 'method/option',
    hint:
      having.length > 0
        ? `Methods that have it: ${having.join(', ')}.`
        : 'tip-adapter fit --help lists them.',
    details: { method, option },
  });
}
