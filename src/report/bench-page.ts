import { type Html, html } from './html.ts';
import { htmlTable } from './html-table.ts';
import { lineChart } from './line-chart.ts';
import type { Table } from './table.ts';
import { STYLE } from './theme.ts';
import type { Curve } from './types.ts';

/** One data set under one protocol: a table, and curves where there are several numbers of shots. */
export interface BenchSection {
  readonly title: string;
  /** Which rows were judged and what was tuned on: the first thing to read. */
  readonly how: string;
  readonly table: Table<Record<string, string>>;
  readonly curves: readonly Curve[];
}

const POLICY = "default-src 'none'; style-src 'unsafe-inline'; img-src data:";

/** A benchmark's tables and curves as one HTML file without scripts. */
export function renderBenchPage(title: string, lead: string, sections: readonly BenchSection[]): string {
  return `<!doctype html>
${html`<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="${POLICY}">
<title>${title}</title>
${STYLE}
</head>
<body>
<header><h1>${title}</h1><p>${lead}</p></header>
<main>
${sections.map(section)}
</main>
<footer><p>Made by tip-adapter, a few-shot image classifier. This page works without a network.</p></footer>
</body>
</html>
`}`;
}

function section({ title, how, table, curves }: BenchSection): Html {
  return html`<section>
<h2>${title}</h2>
<p>${how}</p>
${curves.some(({ points }) => points.length > 1) && html`<figure>${lineChart(curves)}</figure>`}
${htmlTable(title, table)}
</section>`;
}
