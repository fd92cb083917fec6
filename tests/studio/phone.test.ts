import type { Page } from 'playwright-core';
import decodeQR from 'qr/decode.js';
import sharp from 'sharp';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { networkAddresses } from '../../src/studio/phone.ts';
import { findingsOfAxe } from '../browser/axe.ts';
import { chromiumMissing } from '../browser/chromium.ts';
import { colourPicture, eventually, StudioProcess } from './story.ts';

const missing =
  chromiumMissing || (networkAddresses().length === 0 ? ' (skipped: this machine is in no network)' : '');

describe.skipIf(missing !== '')(`a phone as camera of the studio${missing}`, () => {
  const studio = new StudioProcess();
  let page: Page;
  let phone: Page;

  beforeAll(async () => {
    page = await studio.open({ cameras: 1 });
    await studio.addClass('apple');
    await studio.addClass('pear');
  });
  afterAll(() => studio.end());

  it('asks before this computer listens, and shows its own address as a code', async () => {
    await page.getByRole('button', { name: 'Take pictures of pear' }).click();
    await page.getByRole('button', { name: 'Use a phone' }).click();
    const dialog = page.getByRole('dialog', { name: 'A phone as camera' });
    await eventually(() => dialog.innerText()).toContain(networkAddresses()[0]);
    expect(await findingsOfAxe(page)).toEqual([]);
    expect(await dialog.locator('.qr').count()).toBe(0);
    await dialog.getByRole('button', { name: 'Yes, listen' }).click();
    const { data, info } = await sharp(await dialog.locator('.qr').screenshot())
      .ensureAlpha()
      .raw()
      .toBuffer({ resolveWithObject: true });
    const url = decodeQR({ ...info, data });
    expect(await dialog.locator('.address').innerText()).toBe(url);
    expect(await findingsOfAxe(page)).toEqual([]);
    phone = await studio.newPage({ viewport: { width: 390, height: 844 }, hasTouch: true });
    await phone.goto(url);
  });

  it('adds a picture from another browser to the class chosen there', async () => {
    const chosen = phone.getByLabel('Class');
    await eventually(() => chosen.locator('option:checked').innerText()).toBe('pear');
    await chosen.selectOption('apple');
    expect(await findingsOfAxe(phone)).toEqual([]);
    const file = async (name: string, number: number) => {
      return { name, mimeType: 'image/png', buffer: await colourPicture('red', number) };
    };
    await phone.getByLabel('Take a picture').setInputFiles(await file('photo.png', 1));
    await phone.getByText('apple arrived.').waitFor();
    await phone
      .getByLabel('Choose pictures')
      .setInputFiles([
        await file('other.png', 2),
        { ...(await file('text.png', 3)), buffer: Buffer.from('x') },
      ]);
    await phone.getByText('was not accepted').waitFor();
    await phone.getByText('2 pictures arrived').waitFor();
    await eventually(() => page.getByText('2 pictures arrived').count()).toBe(1);
    const { pictures, classes } = await studio.board();
    expect(pictures.map(({ name, classId }) => [name, classId])).toEqual([
      ['photo.png', classes[0]!.id],
      ['other.png', classes[0]!.id],
    ]);
    expect(await phone.locator('html').evaluate((html) => html.scrollWidth)).toBe(390);
    if (process.env.STUDIO_SCREENSHOTS) {
      await page.screenshot({ path: `${process.env.STUDIO_SCREENSHOTS}/phone-code.png` });
      await phone.screenshot({ path: `${process.env.STUDIO_SCREENSHOTS}/phone-page.png` });
    }
  });

  it('shows a notice while it listens, also on a reloaded page, and stops on request', async () => {
    await page.reload();
    const notice = page.locator('.notice', { hasText: 'A phone can send pictures to' });
    await notice.getByRole('button', { name: 'Show the code' }).click();
    await page.getByRole('dialog').getByRole('button', { name: 'Done' }).click();
    await notice.getByRole('button', { name: 'Stop listening' }).click();
    await notice.waitFor({ state: 'detached' });
    await phone.getByLabel('Take a picture').setInputFiles({
      name: 'late.png',
      mimeType: 'image/png',
      buffer: await colourPicture('red', 4),
    });
    await phone.getByText('The studio does not answer').waitFor();
    await phone.getByRole('button', { name: 'Send again' }).first().waitFor();
    expect((await studio.board()).pictures).toHaveLength(2);
  });
});
