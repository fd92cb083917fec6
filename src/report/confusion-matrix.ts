import stringWidth from 'string-width';
import { count, plural } from '../words.ts';
import { type Html, html } from './html.ts';

const CELL = 46;
const LETTER = 6.6;
const LONGEST = 20;
/** Opacity of a cell that holds its whole row. Numbers on it have a contrast of 4.5 in both themes. */
export const FULL_CELL = 0.45;

/** A kind of mistake: `count` of `total` pictures of class `truth` were classified as `predicted`. */
export interface Confusion {
  truth: string;
  predicted: string;
  count: number;
  total: number;
}

/** The wrong answers of a confusion matrix [c, c], most frequent first. */
export function confusions(classes: readonly string[], matrix: readonly (readonly number[])[]): Confusion[] {
  const pairs = matrix.flatMap((row, i) => {
    const total = sum(row);
    return row.map((count, j) => ({
      truth: classes[i]!,
      predicted: classes[j]!,
      count,
      total,
      wrong: i !== j,
    }));
  });
  return pairs
    .filter(({ count, wrong }) => wrong && count > 0)
    .sort((a, b) => b.count - a.count || b.count / b.total - a.count / a.total)
    .map(({ wrong: _, ...pair }) => pair);
}

/** Heat map of a confusion matrix [c, c]: rows are true classes; shade grows with the share of the row; the diagonal is outlined. */
export function confusionMatrix(classes: readonly string[], matrix: readonly (readonly number[])[]): Html {
  const letters = Math.min(LONGEST, Math.max(...classes.map((name) => stringWidth(name))));
  const margin = Math.ceil(letters * LETTER) + 34;
  const top = Math.ceil(letters * LETTER * Math.SQRT1_2) + 40;
  const size = CELL * classes.length;
  const overhang = Math.ceil(letters * LETTER * Math.SQRT1_2);
  const at = (i: number) => i * CELL + CELL / 2;
  return html`<svg viewBox="0 0 ${margin + size + overhang} ${top + size + 4}" width="${margin + size + overhang}" role="img" aria-label="${describe(classes, matrix)}">
<text class="quiet" x="${margin}" y="12">answer →</text>
<text class="quiet" transform="translate(12 ${top + size}) rotate(-90)">true class →</text>
<g transform="translate(${margin} ${top})">
${classes.map(
  (name, i) => html`<text x="-9" y="${at(i) + 4}" text-anchor="end">${short(name)}</text>
<text transform="translate(${at(i) - 2} -9) rotate(-45)">${short(name)}</text>`,
)}
${matrix.map((row, i) => {
  const total = Math.max(1, sum(row));
  return row.map((value, j) => cell(i, j, value, value / total));
})}</g></svg>`;
}

function cell(i: number, j: number, value: number, share: number): Html {
  const kind = i === j ? 'hit' : 'miss';
  return html`<rect class="${kind}" x="${j * CELL + 1}" y="${i * CELL + 1}" width="${CELL - 2}" height="${CELL - 2}" rx="3" fill-opacity="${(FULL_CELL * Math.sqrt(share)).toFixed(3)}"/>
${value > 0 && html`<text x="${(j + 0.5) * CELL}" y="${(i + 0.5) * CELL + 4}" text-anchor="middle">${value}</text>`}`;
}

function short(name: string): string {
  let kept = '';
  for (const letter of name) {
    if (stringWidth(kept + letter) > LONGEST - 1) return `${kept}…`;
    kept += letter;
  }
  return name;
}

function sum(row: readonly number[]): number {
  return row.reduce((total, count) => total + count, 0);
}

function describe(classes: readonly string[], matrix: readonly (readonly number[])[]): string {
  const [worst] = confusions(classes, matrix);
  const detail = worst
    ? `The most frequent mistake: ${worst.count} of ${count(worst.total, 'picture')} of ${worst.truth} ${plural(worst.count, 'was', 'were')} taken for ${worst.predicted}.`
    : 'There are no mistakes.';
  return `Confusion matrix of ${count(classes.length, 'class', 'classes')}; rows are true classes, columns are answers. ${detail}`;
}
