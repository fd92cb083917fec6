import type { Page } from 'playwright-core';

/** Elements that overflow: texts of charts, and parts of a column without a scroller of their own. */
export const overflowing = (page: Page): Promise<string[]> =>
  page.evaluate(() => {
    const found: string[] = [];
    const told = (element: Element) => element.outerHTML.slice(0, 120);
    const isOutside = (inner: DOMRect, outer: DOMRect) =>
      inner.left < outer.left - 0.5 ||
      inner.right > outer.right + 0.5 ||
      inner.top < outer.top - 0.5 ||
      inner.bottom > outer.bottom + 0.5;
    for (const svg of document.querySelectorAll('main svg[role=img]')) {
      const box = svg.getBoundingClientRect();
      if (box.width === 0) continue;
      for (const text of svg.querySelectorAll('text'))
        if (isOutside(text.getBoundingClientRect(), box)) found.push(told(text));
    }
    for (const column of document.querySelectorAll('main .flow, main .scroller, .top, .find')) {
      const { right, width } = column.getBoundingClientRect();
      if (width === 0) continue;
      if (column.scrollWidth > column.clientWidth) found.push(`${told(column)} scrolls sideways`);
      const scrolls = (one: Element | null): boolean =>
        one !== null &&
        one !== column &&
        (['auto', 'scroll', 'hidden'].includes(getComputedStyle(one).overflowX) ||
          scrolls(one.parentElement));
      for (const element of column.querySelectorAll('*'))
        if (element.getBoundingClientRect().right > right + 0.5 && !scrolls(element))
          found.push(told(element));
    }
    return found;
  });
