import { dmn } from './dmn.ts';
import { emDirichlet } from './em-dirichlet.ts';
import type { TestTimeMethod, TransductiveMethod } from './method.ts';
import { tda } from './tda.ts';
import { transClip } from './transclip.ts';
import { zlap } from './zlap.ts';

/** The transductive methods by id. The first is the default of `predictTogether`. */
export const TRANSDUCTIVE = {
  transclip: transClip,
  'em-dirichlet': emDirichlet,
  zlap,
} satisfies Record<TransductiveId, TransductiveMethod>;

/** The test-time methods by id. The first is the default of `stream`. */
export const TEST_TIME = { tda, dmn } satisfies Record<TestTimeId, TestTimeMethod>;

/** Id of a transductive method. */
export type TransductiveId = 'transclip' | 'em-dirichlet' | 'zlap';
/** Id of a test-time method. */
export type TestTimeId = 'tda' | 'dmn';
export const TRANSDUCTIVE_IDS = Object.keys(TRANSDUCTIVE) as TransductiveId[];
export const TEST_TIME_IDS = Object.keys(TEST_TIME) as TestTimeId[];
export { checkNames } from './method.ts';
