import axe from 'axe-core';
import type { Page } from 'playwright-core';

/** The findings of axe on the current page, of any severity. */
export async function findingsOfAxe(page: Page): Promise<string[]> {
  // A script tag is not possible, because the page's policy forbids it.
  await page.evaluate(axe.source);
  const violations = await page.evaluate(async () => {
    const { axe: inPage } = globalThis as unknown as { axe: typeof axe };
    // Every rule runs on every element. Only elements without a fault are not described, which takes most of the time.
    return (await inPage.run({ resultTypes: ['violations'] })).violations;
  });
  return violations.map(
    ({ id, impact, nodes }) => `${id} (${impact}): ${nodes.map(({ html }) => html).join(' ')}`,
  );
}
