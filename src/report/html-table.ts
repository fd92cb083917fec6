import { type Html, html } from './html.ts';
import type { Column, Table } from './table.ts';

/** A column that may show markup: `cell` has the value and, for example, a bar. */
interface HtmlColumn<Row> extends Column<Row> {
  cell?(row: Row): Html;
}

/** A table whose columns may show markup. */
export interface HtmlTable<Row> extends Table<Row> {
  columns: readonly HtmlColumn<Row>[];
}

/** A table of the report, in a frame that scrolls on a narrow page. The first column is each row's header. */
export function htmlTable<Row>(caption: string, { columns, rows }: HtmlTable<Row>): Html {
  const aligned = ({ align }: HtmlColumn<Row>) => (align === 'right' ? 'number' : 'text');
  const content = (column: HtmlColumn<Row>, row: Row) => column.cell?.(row) ?? column.value(row);
  return html`<div class="scroll" tabindex="0" role="region" aria-label="${caption}"><table>
<caption><span>${caption}</span></caption>
<thead><tr>${columns.map((column) => html`<th scope="col" class="${aligned(column)}">${column.title}</th>`)}</tr></thead>
<tbody>${rows.map(
    (row) => html`<tr>${columns.map((column, j) =>
      j === 0
        ? html`<th scope="row" class="${aligned(column)}">${content(column, row)}</th>`
        : html`<td class="${aligned(column)}">${content(column, row)}</td>`,
    )}</tr>
`,
  )}</tbody></table></div>`;
}
