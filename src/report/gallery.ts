import { number } from '../words.ts';
import { type Html, html } from './html.ts';
import { probability } from './numbers.ts';
import { wordsFor } from './tested-on.ts';
import type { MethodScore, ReportData, ReportPrediction } from './types.ts';

const PICTURE = /^data:image\/(?:png|jpeg|webp|gif|avif);base64,[A-Za-z0-9+/=]+$/;
const TOP = 3;
const NEIGHBOURS = 4;

/** The classified pictures: wrong answers, right answers, and pictures without a label. */
export function pictures({ predictions, testedOn }: ReportData, { total, correct }: MethodScore): Html {
  const wrong = predictions.filter(({ truth, predicted }) => truth !== undefined && truth !== predicted);
  const right = predictions.filter(({ truth, predicted }) => truth === predicted);
  const unknown = predictions.filter(({ truth }) => truth === undefined);
  return html`<section class="pictures">
<h2>The pictures</h2>
<p class="lede">Answers to ${wordsFor({ testedOn }).many} with their probabilities, and the examples that are most like each picture.</p>
${group('Wrong answers', wrong, total - correct)}${group('Right answers', right, correct)}${group('Pictures whose class is not known', unknown, unknown.length)}
</section>`;
}

function group(title: string, shown: readonly ReportPrediction[], all: number): Html | false {
  if (shown.length === 0) return false;
  const amount =
    shown.length < all ? `${number(shown.length)} of ${number(all)} shown` : number(shown.length);
  return html`<h3>${title} <span class="note">${amount}</span></h3>
<ul class="cards">${shown.map(card)}</ul>`;
}

function card(prediction: ReportPrediction): Html {
  const { image, truth, predicted, top } = prediction;
  return html`<li class="card">${picture(image, truth ?? 'A picture whose class is not known', 'photo')}
<div>${verdict(prediction)}
<ol class="top" aria-label="Most probable classes">${top
    .slice(0, TOP)
    .map(
      ({ name, probability: value }) =>
        html`<li><span class="clip" title="${name}">${name}</span><i style="--share:${value}" aria-hidden="true"></i><span>${probability(value)}</span></li>`,
    )}</ol>
${why(prediction, predicted)}</div></li>
`;
}

function verdict({ truth, predicted, probability: value }: ReportPrediction): Html {
  const sure = html`${probability(value)} sure`;
  if (truth === undefined) return html`<p class="verdict"><b>${predicted}</b>${sure}</p>`;
  if (truth === predicted)
    return html`<p class="verdict right"><b>${predicted}</b><span>✓ right</span>, ${sure}</p>`;
  return html`<p class="verdict wrong"><b>${predicted}</b><span>✗ wrong</span>, ${sure}. The class is <strong><bdi>${truth}</bdi></strong></p>`;
}

function why(
  { neighbours, textPart, cachePart, part = 'cache' }: ReportPrediction,
  predicted: string,
): Html | false {
  const parts = [
    textPart !== undefined && html`the name “<bdi>${predicted}</bdi>” ${textPart.toFixed(2)} (text part)`,
    cachePart !== undefined &&
      (part === 'cache'
        ? html`the examples ${cachePart.toFixed(2)} (cache part)`
        : html`what it has learned ${cachePart.toFixed(2)} (method part)`),
  ].filter((part) => part !== false);
  if (parts.length === 0 && neighbours.length === 0) return false;
  return html`<div class="why">
${
  neighbours.length > 0 &&
  html`<p class="label">${part === 'cache' ? 'Examples that counted most (weight)' : 'Examples that are most alike (cosine)'}</p>
<ul class="near">${neighbours
    .slice(0, NEIGHBOURS)
    .map(
      ({ image, name, weight }) =>
        html`<li>${picture(image, `Example of ${name}`, 'photo')}<span class="clip" title="${name}">${name}</span><span class="label">${weight.toFixed(2)}</span></li>`,
    )}</ul>`
}
${parts.length > 0 && html`<p class="label">Score: ${parts.map((part, i) => html`${i > 0 && ', '}${part}`)}.</p>`}</div>`;
}

/** An embedded picture; anything that is not one of the known picture types becomes a labelled blank. */
export function picture(uri: string | undefined, alt: string, style: string): Html {
  if (uri !== undefined && PICTURE.test(uri)) return html`<img class="${style}" src="${uri}" alt="${alt}">`;
  return html`<span class="${style} blank" role="img" aria-label="${alt}">no picture</span>`;
}
