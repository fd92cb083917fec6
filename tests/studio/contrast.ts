import type { Page } from 'playwright-core';

const LEAST = 4.5;

/**
 * The buttons, links and choices in a part of the page with a text contrast below WCAG's 4.5, measured as painted: at rest, under the
 * pointer and pressed.
 */
export async function leastContrast(page: Page, within = 'body'): Promise<string[]> {
  const all = page.locator(`${within} :is(button, .button, summary, select):visible`);
  const found: string[] = [];
  const tell = async (i: number, state: string) => {
    const { contrast, text } = await all.nth(i).evaluate(contrastOf);
    if (contrast < LEAST) found.push(`${text} (${state}): ${contrast.toFixed(2)}`);
  };
  for (let i = 0; i < (await all.count()); i++) {
    const button = all.nth(i);
    if ((await button.innerText()).trim() === '') continue;
    await button.scrollIntoViewIfNeeded();
    const box = await button.boundingBox();
    if (!box) continue;
    await page.mouse.move(0, 0);
    await tell(i, 'at rest');
    await page.mouse.move(box.x + box.width / 2, box.y + box.height / 2);
    await tell(i, 'under the pointer');
    await page.mouse.down();
    await tell(i, 'pressed');
    await page.mouse.move(0, 0);
    await page.mouse.up();
  }
  return found;
}

/** The smallest contrast of an element's text with its background. Runs in the page. */
function contrastOf(element: unknown): { contrast: number; text: string } {
  // biome-ignore lint/suspicious/noExplicitAny: the page's own globals.
  const { document, getComputedStyle } = globalThis as any;
  const canvas = document.createElement('canvas').getContext('2d', { willReadFrequently: true });
  type Channels = readonly [r: number, g: number, b: number];
  const rgba = (colour: string): readonly [...Channels, a: number] => {
    canvas.clearRect(0, 0, 1, 1);
    canvas.fillStyle = colour;
    canvas.fillRect(0, 0, 1, 1);
    const [r, g, b, a] = canvas.getImageData(0, 0, 1, 1).data;
    return [r, g, b, a / 255];
  };
  const over = ([r, g, b, a]: ReturnType<typeof rgba>, [x, y, z]: Channels): Channels => [
    r * a + x * (1 - a),
    g * a + y * (1 - a),
    b * a + z * (1 - a),
  ];
  // biome-ignore lint/suspicious/noExplicitAny: an element of the page.
  const behind = (one: any): Channels => {
    if (!one) return [255, 255, 255];
    return over(rgba(getComputedStyle(one).backgroundColor), behind(one.parentElement));
  };
  // biome-ignore lint/suspicious/noExplicitAny: an element of the page.
  const opacity = (one: any): number =>
    one ? Number(getComputedStyle(one).opacity) * opacity(one.parentElement) : 1;
  const linear = (c: number) => (c / 255 <= 0.04045 ? c / 255 / 12.92 : ((c / 255 + 0.055) / 1.055) ** 2.4);
  const light = ([r, g, b]: Channels) => 0.2126 * linear(r) + 0.7152 * linear(g) + 0.0722 * linear(b);
  // biome-ignore lint/suspicious/noExplicitAny: an element of the page.
  const top = element as any;
  const texts = [top, ...top.querySelectorAll('*')].filter(
    (one) =>
      getComputedStyle(one).visibility === 'visible' &&
      [...one.childNodes].some(
        (node: { nodeType: number; data?: string }) => node.nodeType === 3 && node.data?.trim(),
      ),
  );
  const contrasts = texts.map((one) => {
    const back = behind(one);
    const [r, g, b, a] = rgba(getComputedStyle(one).color);
    const [text, ground] = [light(over([r, g, b, a * opacity(one)], back)), light(back)];
    return (Math.max(text, ground) + 0.05) / (Math.min(text, ground) + 0.05);
  });
  return { contrast: Math.min(...contrasts, 21), text: top.innerText.trim() };
}
