import { number } from '../words.ts';
import { picture } from './gallery.ts';
import { type Html, html } from './html.ts';
import { date } from './numbers.ts';
import { page } from './page.ts';

/** A class with some of its pictures. */
interface ShownClass {
  readonly name: string;
  readonly id: string;
  /** Number of pictures, in words. */
  readonly counts: string;
  /** Pictures as data URIs, with their paths. Undefined for a picture that cannot be decoded. */
  readonly pictures: readonly { readonly path: string; readonly image?: string }[];
}

/** The contents of a page about a data set. */
export interface DataPage {
  readonly name: string;
  readonly root: string;
  /** ISO time. */
  readonly created: string;
  /** The findings, one sentence each. */
  readonly facts: readonly string[];
  readonly findings: readonly { readonly level: 'info' | 'warning'; readonly message: string }[];
  readonly classes: readonly ShownClass[];
  /** Number of all classes, of which `classes` may be a part. */
  readonly allClasses: number;
}

/** Returns a page with pictures of each class of a data set, as one self-contained HTML file. */
export function renderDataPage(data: DataPage): string {
  const { name, root, created, facts, findings, classes, allClasses } = data;
  const part =
    classes.length < allClasses &&
    html` <small>the first ${number(classes.length)} of ${number(allClasses)}</small>`;
  return page(
    `${name}: what was read`,
    html`<header>
<p class="eyebrow">Read on <time datetime="${created}">${date(created)}</time> from ${root}</p>
<h1>${name}</h1>
${facts.map((fact) => html`<p>${fact}</p>`)}
</header>
<main>
${findings.length > 0 && html`<section><h2>Noticed</h2><ul class="findings">${findings.map(({ level, message }) => html`<li>${level === 'warning' && html`<strong>Warning:</strong> `}${message}</li>`)}</ul></section>`}
<section><h2>Classes${part}</h2>
${classes.map(shownClass)}</section>
</main>`,
  );
}

function shownClass({ name, id, counts, pictures }: ShownClass): Html {
  return html`<h3>${name}${name !== id && html` <span class="note">${id}</span>`} <span class="note">${counts}</span></h3>
<ul class="strip">${pictures.map(({ path, image }) => html`<li title="${path}">${picture(image, path, 'photo')}</li>`)}</ul>
`;
}
