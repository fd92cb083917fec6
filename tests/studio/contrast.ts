import type { Page } from 'playwright-core';

const LEAST = 4.5;

/** States in which the colours of a control may differ, as the browser's pseudo-classes. */
const STATES: Readonly<Record<string, string[]>> = {
  'at rest': [],
  'under the pointer': ['hover'],
  pressed: ['hover', 'active'],
};

/**
 * The buttons, links and choices in a part of the page with a text contrast below WCAG's 4.5, from the colours that the browser
 * computes for each state. The browser's tools set the state of all of them at once, which a pointer does one by one.
 */
export async function leastContrast(page: Page, within = 'body'): Promise<string[]> {
  const controls = `${within} :is(button, .button, select, summary)`;
  const tools = await page.context().newCDPSession(page);
  await tools.send('DOM.enable');
  await tools.send('CSS.enable');
  const { root } = await tools.send('DOM.getDocument');
  const { nodeIds } = await tools.send('DOM.querySelectorAll', { nodeId: root.nodeId, selector: controls });
  const found: string[] = [];
  for (const [state, forcedPseudoClasses] of Object.entries(STATES)) {
    await Promise.all(
      nodeIds.map((nodeId) => tools.send('CSS.forcePseudoState', { nodeId, forcedPseudoClasses })),
    );
    const contrasts = await page.locator(controls).evaluateAll(contrastsOf);
    found.push(
      ...contrasts
        .filter(({ contrast }) => contrast < LEAST)
        .map(({ contrast, text }) => `${text} (${state}): ${contrast.toFixed(2)}`),
    );
  }
  await tools.detach();
  return found;
}

/** The smallest contrast of each visible element's text with its background. Runs in the page. */
function contrastsOf(elements: readonly Element[]): { contrast: number; text: string }[] {
  const canvas = document.createElement('canvas').getContext('2d', { willReadFrequently: true })!;
  type Channels = readonly [r: number, g: number, b: number];
  const known = new Map<string, readonly [...Channels, a: number]>();
  const rgba = (colour: string): readonly [...Channels, a: number] => {
    const before = known.get(colour);
    if (before) return before;
    canvas.clearRect(0, 0, 1, 1);
    canvas.fillStyle = colour;
    canvas.fillRect(0, 0, 1, 1);
    const [r = 0, g = 0, b = 0, a = 0] = canvas.getImageData(0, 0, 1, 1).data;
    known.set(colour, [r, g, b, a / 255]);
    return [r, g, b, a / 255];
  };
  const over = ([r, g, b, a]: ReturnType<typeof rgba>, [x, y, z]: Channels): Channels => [
    r * a + x * (1 - a),
    g * a + y * (1 - a),
    b * a + z * (1 - a),
  ];
  const behind = (one: Element | null): Channels => {
    if (!one) return [255, 255, 255];
    return over(rgba(getComputedStyle(one).backgroundColor), behind(one.parentElement));
  };
  const opacity = (one: Element | null): number =>
    one ? Number(getComputedStyle(one).opacity) * opacity(one.parentElement) : 1;
  const linear = (c: number) => (c / 255 <= 0.04045 ? c / 255 / 12.92 : ((c / 255 + 0.055) / 1.055) ** 2.4);
  const light = ([r, g, b]: Channels) => 0.2126 * linear(r) + 0.7152 * linear(g) + 0.0722 * linear(b);
  const contrastOf = (element: HTMLElement): { contrast: number; text: string } => {
    const texts = [element, ...element.querySelectorAll('*')].filter(
      (one) =>
        getComputedStyle(one).visibility === 'visible' &&
        [...one.childNodes].some((node) => node instanceof Text && node.data.trim()),
    );
    const contrasts = texts.map((one) => {
      const back = behind(one);
      const [r, g, b, a] = rgba(getComputedStyle(one).color);
      const [text, ground] = [light(over([r, g, b, a * opacity(one)], back)), light(back)];
      return (Math.max(text, ground) + 0.05) / (Math.min(text, ground) + 0.05);
    });
    return { contrast: Math.min(...contrasts, 21), text: element.innerText.trim() };
  };
  return (elements as readonly HTMLElement[])
    .filter((one) => one.checkVisibility() && one.innerText.trim())
    .map(contrastOf);
}
