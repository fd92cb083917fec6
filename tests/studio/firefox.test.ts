import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Firefox, firefoxMissing } from '../browser/firefox.ts';
import { colourFolder, colourPicture, eventually, StudioProcess } from './story.ts';

const EACH = 3;
const skipped = firefoxMissing && ` (skipped: ${firefoxMissing} not found; see CONTRIBUTING.md)`;

describe.skipIf(skipped)(`the studio in Firefox, with files and pictures that are dragged${skipped}`, () => {
  const studio = new StudioProcess();
  let firefox: Firefox;

  beforeAll(async () => {
    await studio.serve();
    firefox = await Firefox.open(studio.address);
  });
  afterAll(async () => {
    await firefox?.close();
    await studio.end();
  });

  const has = (selector: string) =>
    firefox.evaluate<boolean>('return document.querySelector(arguments[0]) !== null', selector);
  const text = (selector: string) =>
    firefox.evaluate<string>('return document.querySelector(arguments[0])?.innerText ?? ""', selector);
  const dropHint = (hint: string) => () => eventually(() => text('.drop-target')).toBe(hint);
  /** The number of pictures of each class. */
  const counts = async () => {
    const { classes, pictures } = await studio.board();
    return Object.fromEntries(
      classes.map(({ id, name }) => [name, pictures.filter(({ classId }) => classId === id).length]),
    );
  };
  const idOf = async (name: string) =>
    (await studio.board()).classes.find((one) => one.name === name)?.id ?? name;
  const file = async (name: string, number: number) => {
    const path = join(studio.folder, name);
    writeFileSync(path, await colourPicture('red', number));
    return path;
  };

  it('takes a folder that is dropped on the header, each folder in it as a class', async () => {
    await eventually(() => has('.first-class')).toBe(true);
    const folder = await colourFolder(studio.folder, EACH);
    await firefox.dragFiles([folder], '.top h1', dropHint('Drop to add to the collection'));
    await eventually(counts).toEqual({ blue: EACH, green: EACH + 1, red: EACH });
    expect(await has('.drop-target')).toBe(false);
    await eventually(() => has('.stage.done')).toBe(true);
  });

  it('takes a file that is dropped on a class', async () => {
    const header = `.class-header[data-class="${await idOf('red')}"]`;
    await firefox.dragFiles([await file('一张 图片.png', 50)], header, dropHint('Drop to add to “red”'));
    await eventually(counts).toEqual({ blue: EACH, green: EACH + 1, red: EACH + 1 });
    expect((await studio.board()).pictures.at(-1)?.name).toBe('一张 图片.png');
  });

  it('moves a picture that is dragged to another class', async () => {
    const strayed = (await studio.board()).pictures.find(({ name }) => name === 'strayed.png')?.hash;
    await firefox.drag(`[data-place="${strayed}"]`, `.class-header[data-class="${await idOf('red')}"]`);
    await eventually(counts).toEqual({ blue: EACH, green: EACH, red: EACH + 2 });
    expect(await text('#collect .undoable')).toContain('Moved 1 picture to “red”');
  });

  it('tries files that are dropped on Try, and names one of them', async () => {
    await firefox.dragFiles([await file('new.png', 60), await file('newer.png', 61)], '#try .heading');
    await eventually(() => text('.verdict strong')).toBe('red');
    expect(await firefox.evaluate('return document.querySelectorAll(".tried button").length')).toBe(2);
  });
});
