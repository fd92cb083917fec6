import type { TextRow } from './bench-tables.ts';
import { type Html, html } from './html.ts';
import { type HtmlTable, htmlTable } from './html-table.ts';
import { lineChart } from './line-chart.ts';
import { page } from './page.ts';
import type { Table } from './table.ts';
import type { Curve } from './types.ts';

/** One table of a benchmark, and curves where its columns are numbers. */
export interface BenchSection {
  readonly title: string;
  /** The rows that the numbers were measured and tuned on. They are named before the tables. */
  readonly how: string;
  /** Tables by their captions. */
  readonly tables: Readonly<Record<string, Table<TextRow>>>;
  readonly axis: string;
  readonly curves: readonly Curve[];
  /** The source of the published numbers. */
  readonly published?: string;
  readonly missing: readonly string[];
}

/**
 * Published numbers are marked by more than colour: by italics in tables, by dots and hollow markers in charts. A table that is wider
 * than the text extends into the margin on the right before it scrolls.
 */
const OWN_STYLE = html`<style>
.scroll{width:max-content;min-width:100%;max-width:calc(50vw + 50% - 2rem)}
.scroll th,.scroll td{padding-right:.8rem}
i.published{color:var(--muted)}
svg .published .line,svg.published .line{stroke-width:1.5;stroke-linecap:round}
svg .published .marker,svg.published .marker{fill:var(--paper);stroke:var(--line);stroke-width:1.5}
</style>`;

/** A benchmark's tables and curves as one HTML file without scripts. */
export function renderBenchPage(title: string, lead: string, sections: readonly BenchSection[]): string {
  return page(
    title,
    html`<header><h1>${title}</h1><p>${lead}</p></header>
<main>
${sections.map(section)}
</main>`,
    OWN_STYLE,
  );
}

function section({ title, how, tables, axis, curves, published, missing }: BenchSection): Html {
  return html`<section>
<h2>${title}</h2>
<p>${how}</p>
${curves.some(({ points }) => points.length > 1) && html`<figure class="curves">${lineChart(curves, AXES[axis] ?? axis)}</figure>`}
${Object.entries(tables).map(([caption, table]) => htmlTable(caption, withStyle(table)))}
${published !== undefined && html`<p class="note">Published numbers are in italics in tables, and dotted with hollow markers in charts: ${published}.</p>`}
${missing.length > 0 && html`<p class="note">Not here: ${missing.join('; ')}.</p>`}
</section>`;
}

const AXES: Readonly<Record<string, string | undefined>> = { shots: 'examples per class (shots)' };

function withStyle({ columns, rows }: Table<TextRow>): HtmlTable<TextRow> {
  return {
    columns: columns.map((column) => ({
      ...column,
      cell: (row) => {
        const value = column.value(row);
        return row.published ? html`<i class="published">${value}</i>` : html`${value}`;
      },
    })),
    rows,
  };
}
