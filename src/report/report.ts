import { UsageError } from '../errors.ts';
import { pictures } from './gallery.ts';
import { html } from './html.ts';
import { page } from './page.ts';
import { calibration, confusion, curves, methods, perClass, provenance, suspects } from './sections.ts';
import { summary } from './summary.ts';
import type { MethodScore, ReportData } from './types.ts';

/**
 * Returns the report as one self-contained HTML file, with styles, charts and pictures inside. It can be opened from a disk and
 * printed, and follows the reader's light or dark theme.
 * @throws UsageError `report/method` if no method is given or `data.method` is not among them.
 */
export function renderReport(data: ReportData): string {
  const method = chosenMethod(data);
  return page(
    data.title,
    html`${summary(data, method)}
<main>
${data.predictions.length > 0 && pictures(data, method)}
${methods(data, method)}
${data.curves?.some(({ points }) => points.length > 0) && curves(data)}
${perClass(data)}
${confusion(data)}
${calibration(data)}
${data.suspects && data.suspects.length > 0 && suspects(data.suspects)}
${provenance(data)}
</main>`,
  );
}

function chosenMethod({ methods: rows, method: name }: ReportData): MethodScore {
  const chosen = name === undefined ? rows.at(-1) : rows.find((row) => row.name === name);
  if (chosen) return chosen;
  const names = rows.map((row) => row.name);
  throw new UsageError(
    name === undefined ? 'A report needs a method' : `The report has no method “${name}”`,
    {
      code: 'report/method',
      hint:
        names.length > 0 ? `Its methods are ${names.join(', ')}.` : 'Give the scores of at least one method.',
      details: { method: name, methods: names },
    },
  );
}
