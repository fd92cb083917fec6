import { count, number, UNCALIBRATED } from '../words.ts';
import { type Html, html } from './html.ts';
import { date, percent } from './numbers.ts';
import { range } from './range.ts';
import { wordsFor } from './tested-on.ts';
import type { MethodScore, ReportData } from './types.ts';

/** The first screen: the accuracy, the data it was measured on, and its interval. */
export function summary(data: ReportData, method: MethodScore): Html {
  return html`<header>
<p class="eyebrow">Report of <time datetime="${data.created}">${date(data.created)}</time></p>
<h1>${data.title}</h1>
<div class="summary">${howGood(data, method)}${onWhat(data)}${howSure(data, method)}</div>
</header>`;
}

function howGood(data: ReportData, method: MethodScore): Html {
  const chance = 1 / Math.max(1, data.dataset.classes);
  return html`<section>
<h2>How good is it?</h2>
<p class="figure">${percent(method.accuracy)}</p>
${range({ value: method.accuracy, interval: method.interval, scale: [0, 1], reference: chance })}
<div class="ends"><span>0%</span><span>100%</span></div>
<p>${wordsFor(data).right(method.correct, method.total)} by <strong>${method.name}</strong>. Guessing would reach about ${percent(chance)}, the dotted line.</p>
</section>`;
}

function onWhat({ dataset, encoder, testedOn }: ReportData): Html {
  const each = dataset.train / Math.max(1, dataset.classes);
  const shots = Number.isInteger(each)
    ? `${number(each)} for each class`
    : `about ${each.toFixed(1)} for each class`;
  return html`<section>
<h2>On what?</h2>
<p class="figure small">${dataset.name}</p>
<p>${count(dataset.classes, 'class', 'classes')}. The classifier learned from ${count(dataset.train, 'picture')} (${shots}) and ${wordsFor({ testedOn }).tested(dataset.test)}.</p>
<p>The encoder <strong>${encoder.id}</strong> turns each picture into ${count(encoder.dimension, 'number')}.</p>
</section>`;
}

function howSure({ calibration, testedOn }: ReportData, method: MethodScore): Html {
  const [low, high] = method.interval;
  return html`<section>
<h2>How sure is that?</h2>
<p class="figure small">${percent(low)} to ${percent(high)}</p>
<p>The accuracy on pictures of this kind most likely lies in this range (95% confidence interval).</p>
<p>The constants were chosen ${wordsFor({ testedOn }).protocols[method.protocol] ?? `by the protocol “${method.protocol}”`}.</p>
<p>The stated probabilities are off by ${(100 * calibration.ece).toFixed(1)} points on average (expected calibration error).${calibration.calibrated === false && html` ${UNCALIBRATED}`}</p>
</section>`;
}
