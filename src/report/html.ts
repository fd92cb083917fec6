import { printable } from '../printable.ts';

class Markup {
  readonly #text: string;

  constructor(text: string) {
    this.#text = text;
  }

  toString(): string {
    return this.#text;
  }
}

/** Finished markup. Only `html` makes it, so data can never be taken for markup. */
export type Html = Markup;

/** A value in a template: text or a number (escaped), markup (unchanged), a list of values, or nothing (`undefined`, `false`). */
export type HtmlValue = string | number | Html | undefined | false | readonly HtmlValue[];

/** Tag for templates of markup. Values are escaped unless they are `Html`, and control characters are shown as escapes. Attribute values must be in double quotes. */
export function html(parts: TemplateStringsArray, ...values: HtmlValue[]): Html {
  return new Markup(parts.reduce((markup, part, i) => markup + markupOf(values[i - 1]) + part));
}

function markupOf(value: HtmlValue): string {
  if (value === undefined || value === false) return '';
  if (value instanceof Markup) return value.toString();
  if (typeof value === 'object') return value.map(markupOf).join('');
  return printable(String(value)).replace(/[&<>"'`]/g, (character) => `&#${character.charCodeAt(0)};`);
}
