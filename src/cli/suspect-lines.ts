import type { Suspect } from '../classifier/types.ts';
import { probability } from '../report/numbers.ts';
import type { Table } from '../report/table.ts';
import { count } from '../words.ts';
import type { Io, Line } from './io.ts';
import { tableLines } from './print.ts';

/** Number of suspects shown without --json. */
const SHOWN = 40;

/** The labels that are most likely wrong, as a table. */
export function suspectLines(io: Io, suspects: readonly Suspect[]): Line[] {
  if (suspects.length === 0) return ['No label looks wrong.'];
  const table = tableLines(io, suspectTable(suspects.slice(0, SHOWN)));
  return suspects.length > SHOWN
    ? [...table, `These are the first ${SHOWN} of ${count(suspects.length, 'suspect')}; --json lists all.`]
    : table;
}

function suspectTable(rows: readonly Suspect[]): Table<Suspect> {
  return {
    rows,
    columns: [
      { title: 'Picture', value: ({ image }) => image },
      { title: 'Label', value: ({ label }) => label },
      { title: 'Sure', value: ({ labelProbability }) => probability(labelProbability), align: 'right' },
      { title: 'Looks like', value: ({ predicted }) => predicted },
      {
        title: 'Sure',
        value: ({ predictedProbability }) => probability(predictedProbability),
        align: 'right',
      },
    ],
  };
}
