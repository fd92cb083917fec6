import { cpSync, readFileSync, truncateSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { gzipSync } from 'node:zlib';
import type { Browser, Page } from 'playwright-core';
import sharp from 'sharp';
import { build } from 'vite';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { decodeClassifier } from '../../src/classifier/decode.ts';
import { workspace } from '../../src/classifier/fake-encoder.fixture.ts';
import { type Classifier, fit, load } from '../../src/classifier/index.ts';
import { readDataset } from '../../src/dataset/read.ts';
import { sampleDataset } from '../../src/dataset/sample-dataset.ts';
import { encodeImages } from '../../src/encoder/encode.ts';
import { loadEncoder } from '../../src/encoder/load.ts';
import { writeSmallEncoder } from '../../src/encoder/small-encoder.fixture.ts';
import { exportSite } from '../../src/export/index.ts';
import { pngOf } from '../../src/image/png.fixture.ts';
import { random } from '../../src/math/random.ts';
import { chromiumMissing, chromiumPath, launchChromium, SOFTWARE_WEBGPU } from '../browser/chromium.ts';
import { serveFolders } from '../browser/serve.ts';

/** The page's functions, without the types of the DOM. */
declare const page: {
  open(source: unknown, options?: object): Promise<Pets>;
  openCamera(): Promise<{ video: object; close(): void }>;
};
interface Pets {
  readonly info: { examples: { id: string; classId: string }[]; classes: { id: string }[]; method: string };
  readonly device: string;
  predict(
    image: unknown,
    options?: object,
  ): Promise<{ name: string; ranking: { id: string; probability: number }[] }>;
  predictLive(video: object, options?: object): AsyncGenerator<{ name: string }>;
  explain(
    image: unknown,
    options?: object,
  ): Promise<{ contributions: { example: string; weight: number }[] }>;
  add(examples: { image: unknown; label: string }[], work?: object): Promise<Pets>;
  remove(removal: object): Promise<Pets>;
  refit(values: object): Promise<Pets>;
  withReject(reject: number): Promise<Pets>;
  bytes(): Promise<Uint8Array>;
  close(): Promise<void>;
}
declare const fetch: (url: string) => Promise<{ blob(): Promise<Blob> }>;
declare const createImageBitmap: (blob: Blob) => Promise<object>;
declare const document: {
  createElement(name: string): Record<string, unknown> & { decode(): Promise<void> };
};
declare const window: { pets: Pets };
declare class AbortController {
  readonly signal: object;
  abort(): void;
}

const at = workspace();
/** Number of classes, which is small so that the test is fast. */
const CLASSES = 6;

/** A GIF whose colour table has the levels of grey from 0 to 127. A cleared LZW code table every 100 pixels keeps each code in one byte. */
function greyGif(width: number, height: number, levels: Uint8Array): Buffer {
  const [CLEAR, END] = [128, 129];
  const table = Array.from({ length: 3 * 128 }, (_, i) => Math.floor(i / 3));
  const size = [width & 255, width >> 8, height & 255, height >> 8];
  const codes = [...Array.from(levels, (level, i) => (i % 100 ? [level] : [CLEAR, level])).flat(), END];
  const blocks = Array.from({ length: Math.ceil(codes.length / 255) }, (_, i) => {
    const block = codes.slice(255 * i, 255 * (i + 1));
    return [block.length, ...block];
  });
  const screen = [...size, 0xf6, 0, 0, ...table];
  return Buffer.from([
    ...Buffer.from('GIF89a'),
    ...screen,
    0x2c,
    0,
    0,
    0,
    0,
    ...size,
    0,
    7,
    ...blocks.flat(),
    0,
    0x3b,
  ]);
}

/** Largest difference of a probability from Node's, in WebAssembly. */
const SAME = 1e-5;

describe.skipIf(!chromiumPath)(`tip-adapter/web in Chromium${chromiumMissing}`, () => {
  let classifier: Classifier;
  let browser: Browser;
  let server: Awaited<ReturnType<typeof serveFolders>>;
  let tab: Page;
  let picture: string;
  const encoder = () => at('encoder');

  beforeAll(async () => {
    await build({
      root: join(import.meta.dirname, 'page'),
      configFile: false,
      base: './',
      logLevel: 'error',
      worker: { format: 'es' },
      build: { outDir: at('page'), emptyOutDir: true, target: 'esnext' },
    });
    const sample = await readDataset(await sampleDataset());
    const dataset = {
      ...sample,
      classes: sample.classes.slice(0, CLASSES),
      examples: sample.examples.filter(({ label, split }) => label < CLASSES && split === 'train'),
    };
    await writeSmallEncoder(encoder());
    classifier = await fit(dataset, {
      encoder: encoder(),
      method: 'tip-adapter',
      tune: 'fixed',
      alpha: 3,
      beta: 8,
    });
    await exportSite(classifier, at('site'));
    picture = at('picture.png');
    writeFileSync(picture, await dataset.examples[3]!.read());
    const runtime = dirname(fileURLToPath(import.meta.resolve('onnxruntime-web/wasm')));
    const folders = {
      page: at('page'),
      site: at('site'),
      half: at('half'),
      other: at('other'),
      small: at('small'),
      runtime,
      data: dirname(picture),
      'models/pets': at('site'),
    };
    server = await serveFolders(
      Object.fromEntries(
        Object.entries(folders).flatMap(([name, folder]) => [
          [`/${name}`, folder],
          [`/isolated/${name}`, folder],
        ]),
      ),
    );
    browser = await launchChromium([
      '--disable-gpu',
      '--use-fake-device-for-media-stream',
      '--use-fake-ui-for-media-stream',
    ]);
    tab = await opened('/page');
  });
  afterAll(async () => {
    await browser?.close();
    await server?.close();
    await classifier?.close();
  });

  async function opened(path: string, from = browser): Promise<Page> {
    const page = await from.newPage();
    await page.goto(`${server.address}${path}/index.html`);
    await page.waitForFunction(() => 'page' in globalThis);
    return page;
  }

  async function expectSame(
    answer: { ranking: { id: string; probability: number }[] },
    own = classifier,
    within = SAME,
    file = picture,
  ) {
    const { ranking } = await own.predict(file);
    expect(answer.ranking.map(({ id }) => id)).toEqual(ranking.map(({ id }) => id));
    const difference = answer.ranking.map(({ probability }, i) =>
      Math.abs(probability - ranking[i]!.probability),
    );
    expect(Math.max(...difference)).toBeLessThan(within);
  }

  it('gives the answers of Node for a picture in every form', async () => {
    const answers = await tab.evaluate(async () => {
      window.pets = await page.open('../site/');
      const blob = await (await fetch('../data/picture.png')).blob();
      const image = document.createElement('img');
      image.src = '../data/picture.png';
      await image.decode();
      const canvas = document.createElement('canvas');
      Object.assign(canvas, { width: image.naturalWidth, height: image.naturalHeight });
      const context = (
        canvas.getContext as (kind: string) => {
          drawImage(...all: unknown[]): void;
          getImageData(...all: unknown[]): object;
        }
      )('2d');
      context.drawImage(image, 0, 0);
      const pixels = context.getImageData(0, 0, canvas.width, canvas.height);
      const forms = [blob, image, canvas, pixels, await createImageBitmap(blob)];
      return Promise.all(forms.map((form) => window.pets.predict(form)));
    });
    expect(answers).toHaveLength(5);
    for (const answer of answers) await expectSame(answer);
  });

  it('downloads less than 60 KB of code, apart from ONNX Runtime, to open a classifier and predict', async () => {
    await sharp(picture).jpeg().toFile(at('picture.jpg'));
    const fresh = await browser.newPage();
    const asked = new Set<string>();
    fresh.on('request', (request) => asked.add(new URL(request.url()).pathname));
    const arrived: string[] = [];
    fresh.on('requestfinished', (request) => arrived.push(new URL(request.url()).pathname));
    await fresh.goto(`${server.address}/page/index.html`);
    await fresh.waitForFunction(() => 'page' in globalThis);
    await fresh.evaluate(async () => {
      window.pets = await page.open('../site/');
      await window.pets.predict(await (await fetch('../data/picture.jpg')).blob());
    });
    const code = [...asked].filter((path) => path.endsWith('.js') && !/\/ort\./.test(path));
    expect(code.some((path) => path.includes('/tip-adapter-'))).toBe(true);
    const sizes = code.map((path) => gzipSync(readFileSync(at(path.slice(1)))).length);
    expect(sizes.reduce((sum, size) => sum + size)).toBeLessThan(60_000);
    // The small parts for other calls follow later, so that these calls need no network.
    await expect
      .poll(
        () => ['explain', 'gif', 'png'].every((part) => arrived.some((path) => path.includes(`/${part}-`))),
        {
          timeout: 20_000,
        },
      )
      .toBe(true);
    await fresh.route(/\.js$/, (route) => route.abort());
    const png = Array.from(readFileSync(picture));
    const shown = await fresh.evaluate(async (png) => {
      const blob = new Blob([Uint8Array.from(png)]);
      return [(await window.pets.predict(blob)).name, (await window.pets.explain(blob)).contributions.length];
    }, png);
    expect(shown).toEqual([expect.any(String), expect.any(Number)]);
    await fresh.close();
  });

  it('answers and learns with 8-bit weights as Node does with the same encoder', async () => {
    await exportSite(classifier, at('small'), { quantise: true });
    await using small = await load(at('small/classifier.safetensors'));
    const { answer, bytes } = await tab.evaluate(async () => {
      const pets = await page.open('../small/');
      const blob = await (await fetch('../data/picture.png')).blob();
      const grown = await pets.add([{ image: blob, label: 'owl' }]);
      const answer = await pets.predict(blob);
      const bytes = Array.from(await grown.bytes());
      await pets.close();
      return { answer, bytes };
    });
    await using encoder = await loadEncoder(at('small/encoder'));
    const { features } = await encodeImages(encoder, [
      { id: 'picture', read: async () => readFileSync(picture) },
    ]);
    const own = await small.probabilities(features);
    const byId = new Map(answer.ranking.map(({ id, probability }) => [id, probability]));
    small.data.classes.forEach(({ id }, c) => {
      expect(Math.abs(byId.get(id)! - own.data[c]!)).toBeLessThan(SAME);
    });
    const grown = await decodeClassifier(Uint8Array.from(bytes));
    expect(grown.encoder.fingerprint).toBe(encoder.fingerprint);
    expect(grown.encoder.fingerprint).not.toBe(classifier.data.encoder.fingerprint);
    writeFileSync(at('grown.safetensors'), Uint8Array.from(bytes));
    await using again = await load(at('grown.safetensors'));
    await expect(again.predict(picture)).rejects.toMatchObject({ code: 'encoder/quantised' });
  });

  it('explains as Node does', async () => {
    const own = await classifier.explain(picture);
    const { contributions } = await tab.evaluate(async () =>
      window.pets.explain(await (await fetch('../data/picture.png')).blob()),
    );
    expect(contributions[0]!.example).toBe(own.contributions[0]!.example);
    expect(contributions[0]!.weight).toBeCloseTo(own.contributions[0]!.weight!, 4);
  });

  it('adds, removes and fits again, and saves a file that Node reads with the same answers', async () => {
    const { bytes, answer, examples, classes } = await tab.evaluate(async () => {
      const blob = await (await fetch('../data/picture.png')).blob();
      const grown = await window.pets.add([
        { image: blob, label: 'owl' },
        { image: blob, label: 'owl' },
      ]);
      const [gone] = grown.info.classes;
      const fewer = await grown.remove({ classes: [gone!.id] });
      const learnt = await fewer.refit({ method: 'gda', tune: 'fixed' });
      return {
        bytes: Array.from(await learnt.bytes()),
        answer: await learnt.predict(blob),
        examples: learnt.info.examples.length,
        classes: learnt.info.classes.map(({ id }) => id),
      };
    });
    expect(classes).toContain('owl');
    writeFileSync(at('grown.safetensors'), Uint8Array.from(bytes));
    await using again = await load(at('grown.safetensors'));
    expect(again.data.method).toBe('gda');
    expect(again.data.examples).toHaveLength(examples);
    await expectSame(answer, again);
  });

  it('opens the bytes of a file with the URL of an encoder, and the runtime from a folder', async () => {
    await classifier.save(at('plain.safetensors'));
    const isolated = await opened('/isolated/page');
    const answer = await isolated.evaluate(
      async (bytes) => {
        const pets = await page.open(Uint8Array.from(bytes), {
          encoder: '../site/encoder',
          runtime: '../runtime',
        });
        return pets.predict(await (await fetch('../data/picture.png')).blob());
      },
      Array.from(readFileSync(at('plain.safetensors'))),
    );
    await expectSame(answer);
    await isolated.close();
  });

  it('fetches the encoder once, and from the browser afterwards', async () => {
    const asked: string[] = [];
    tab.on('request', (request) => asked.push(request.url()));
    const again = await tab.evaluate(async () => {
      const pets = await page.open('../site/');
      const answer = await pets.predict(await (await fetch('../data/picture.png')).blob());
      await pets.close();
      return answer;
    });
    await expectSame(again);
    expect(asked.filter((url) => url.endsWith('.onnx'))).toEqual([]);
  });

  it('reads a picture with a palette, of one bit, of grey levels or with a transparent colour as Node does', async () => {
    const [width, height] = [88, 70];
    const { integer } = random('palettes');
    const noise = (n: number) => Uint8Array.from({ length: n }, () => integer(128));
    const colours = sharp(noise(3 * width * height), { raw: { width, height, channels: 3 } });
    const bits = noise((1 + width / 8) * height).map((byte, i) => (i % (1 + width / 8) ? 2 * byte : 0));
    // The left third of each row has the transparent colour.
    const row = 1 + 3 * width;
    const keyed = noise(row * height).map((level, i) => {
      if (i % row === 0) return 0;
      return i % row <= width ? 200 : level;
    });
    const files = {
      'palette.png': await colours.clone().png({ palette: true, colours: 16 }).toBuffer(),
      'bit.png': pngOf({ width, height, colourType: 0, depth: 1, rows: bits }),
      'keyed.png': pngOf({ width, height, colourType: 2, rows: keyed, transparent: [200, 200, 200] }),
      'palette.gif': await colours.clone().gif().toBuffer(),
      'grey.gif': greyGif(width, height, noise(width * height)),
    };
    for (const [name, bytes] of Object.entries(files)) {
      writeFileSync(at(name), bytes);
      const answer = await tab.evaluate(
        async (name) => window.pets.predict(await (await fetch(`../data/${name}`)).blob()),
        name,
      );
      await expectSame(answer, classifier, SAME, at(name));
    }
  });

  it('refuses thresholds that are no probability, and options that do not exist', async () => {
    const codes = await tab.evaluate(async () => {
      const blob = await (await fetch('../data/picture.png')).blob();
      const attempts = [
        () => window.pets.withReject(70),
        () => window.pets.predict(blob, { reject: Number.NaN }),
        () => window.pets.explain(blob, { reject: -1 }),
        () => window.pets.predict(blob, { rejct: 0.5 }),
        () => page.open('../site/', { device: 'wasm' }),
        () => page.open('../site/', { onProgress: () => {} }),
      ];
      return Promise.all(attempts.map((attempt) => attempt().then(String, ({ code }) => code)));
    });
    expect(codes).toEqual([
      'option/value',
      'option/value',
      'option/value',
      'option/unknown',
      'option/value',
      'option/unknown',
    ]);
  });

  it('says that the CPU is used where WebGPU was asked for and is not there', async () => {
    const other = await opened('/page');
    const { answers, notes } = await inChangedWorker(other, 'webgpu', ['']);
    await expectSame(answers[0]!);
    expect(notes).toEqual(['web/no-gpu']);
    await other.close();
  });

  it('ends a loop over a camera that is closed, and rejects in one of a classifier that is closed', async () => {
    const [camera, closed] = await tab.evaluate(async () => {
      const { video, close } = await page.openCamera();
      const pets = await page.open('../site/');
      const live = pets.predictLive(video);
      await live.next();
      (video as { pause(): void }).pause();
      const waiting = live.next();
      close();
      const { done } = await waiting;
      const still = await page.openCamera();
      (still.video as { pause(): void }).pause();
      const next = pets
        .predictLive(still.video)
        .next()
        .catch(({ code }) => code);
      await pets.close();
      still.close();
      return [done, await next];
    });
    expect([camera, closed]).toEqual([true, 'classifier/closed']);
  });

  it('follows a video frame by frame until it is stopped, and queues nothing', async () => {
    const { names, elapsed } = await tab.evaluate(async () => {
      const { video, close } = await page.openCamera();
      const stop = new AbortController();
      const names: string[] = [];
      const started = performance.now();
      for await (const { name } of window.pets.predictLive(video, { signal: stop.signal })) {
        names.push(name);
        if (names.length === 3) stop.abort();
      }
      close();
      return { names, elapsed: performance.now() - started };
    });
    expect(names).toHaveLength(3);
    expect(elapsed).toBeLessThan(20_000);
  });

  it('runs the programs of docs/web.md', async () => {
    const document = readFileSync(join(import.meta.dirname, '../../docs/web.md'), 'utf8');
    const [first, live] = [...document.matchAll(/```js\n([\s\S]*?)```/g)].map(([, code]) =>
      code!.replace(/^import (\{.*\}) from 'tip-adapter\/web';$/m, 'const $1 = page;'),
    );
    const [, elements] = /```text\n([\s\S]*?)```/.exec(document)!;
    const own = await opened('/page');
    await own.evaluate(`document.body.innerHTML = ${JSON.stringify(elements)}`);
    await own.evaluate(`(async () => { ${first} })()`);
    await own.setInputFiles('#file', picture);
    await own.waitForFunction("document.querySelector('#answer').textContent.endsWith('%')");
    const before = await own.textContent('#answer');
    await own.click('#learn');
    await own.waitForFunction(`document.querySelector('#answer').textContent !== '${before}'`);
    await own.evaluate(`(async () => { ${live} })()`);
    expect(await own.title()).toMatch(/ \d\.\d\d$/);
    await own.close();
  });

  it('stops at once', async () => {
    const code = await tab.evaluate(async () => {
      const blob = await (await fetch('../data/picture.png')).blob();
      const stop = new AbortController();
      const answer = window.pets.predict(blob, { signal: stop.signal });
      stop.abort();
      return answer.then(
        () => 'answered',
        (error) => error.code,
      );
    });
    expect(code).toBe('interrupted');
  });

  const codeOf = (
    source: string,
    options: object = {},
    at = tab,
  ): Promise<{ code: string; message: string }> =>
    at.evaluate(
      async ([source, options]) =>
        page.open(source, options as object).then(
          async (pets) =>
            pets.predict(await (await fetch('../data/picture.png')).blob()).then(
              () => ({ code: 'answered', message: '' }),
              ({ code, message }) => ({ code, message }),
            ),
          ({ code, message }) => ({ code, message }),
        ),
      [source, options] as const,
    );

  it('names a folder that is missing, half uploaded or of another encoder', async () => {
    expect((await codeOf('../nothing/')).code).toBe('web/not-found');
    cpSync(at('site'), at('half'), { recursive: true });
    const { imageModel } = JSON.parse(readFileSync(at('half/encoder/encoder.json'), 'utf8'));
    truncateSync(at(`half/encoder/${imageModel}`), 1000);
    const { code, message } = await codeOf('../half/', { cache: false });
    expect([code, message]).toEqual(['web/incomplete', expect.stringContaining('1,000 bytes instead of')]);
    truncateSync(at('half/classifier.safetensors'), 1000);
    expect((await codeOf('../half/')).code).toBe('web/incomplete');
    cpSync(at('site'), at('other'), { recursive: true });
    const record = JSON.parse(readFileSync(at('other/encoder/encoder.json'), 'utf8'));
    writeFileSync(
      at('other/encoder/encoder.json'),
      JSON.stringify({ ...record, fingerprint: '0'.repeat(64) }),
    );
    expect((await codeOf('../other/')).code).toBe('classifier/other-encoder');
    writeFileSync(at('other/site.json'), 'a text');
    expect((await codeOf('../other/')).code).toBe('web/site');
  });

  /** Opens a classifier, changes the worker, and returns the answers for one picture, or the code of an error, with the notes. Two calls at a time ask for it. */
  async function inChangedWorker(opened: Page, device: string, changes: readonly string[]) {
    await opened.evaluate(async (device) => {
      const notes: string[] = [];
      const note = (_: string, code: string) => notes.push(code);
      Object.assign(window, {
        notes,
        pets: await page.open('../site/', { device, note, cache: device === 'cpu' }),
      });
    }, device);
    const answers: { code?: string; ranking: { id: string; probability: number }[] }[] = [];
    for (const change of changes) {
      await opened.workers()[0]!.evaluate(change);
      const both = await opened.evaluate(async () => {
        const blob = await (await fetch('../data/picture.png')).blob();
        const predict = () => window.pets.predict(blob).catch(({ code }) => ({ code }));
        return Promise.all([predict(), predict()]);
      });
      expect(both[1]).toEqual(both[0]);
      answers.push(both[0] as never);
    }
    return { answers, notes: await opened.evaluate(() => (window as unknown as { notes: string[] }).notes) };
  }

  it('continues on the CPU when the GPU is lost, and answers on both as Node does', {
    retry: 1,
  }, async (context) => {
    const accelerated = await launchChromium(SOFTWARE_WEBGPU);
    try {
      const other = await opened('/page', accelerated);
      if (!(await other.evaluate('navigator.gpu?.requestAdapter()')))
        return context.skip('this Chromium has no WebGPU in software');
      const { answers, notes } = await inChangedWorker(other, 'webgpu', [
        `{ const { requestDevice } = GPUAdapter.prototype;
           GPUAdapter.prototype.requestDevice = async function (...all) { return (self.lost = await requestDevice.apply(this, all)); }; }`,
        'self.lost.destroy()',
      ]);
      await expectSame(answers[0]!, classifier, 1e-3);
      await expectSame(answers[1]!);
      expect(notes).toEqual(['web/device-lost']);
    } finally {
      await accelerated.close();
    }
  });

  it('answers without room for the encoder, and says so', async () => {
    const other = await opened('/isolated/page');
    const { answers, notes } = await inChangedWorker(other, 'cpu', [
      `Cache.prototype.match = async () => undefined;
       Cache.prototype.put = async () => { throw new DOMException('full', 'QuotaExceededError'); };`,
    ]);
    await expectSame(answers[0]!);
    expect(notes).toEqual(['web/quota']);
    await other.close();
  });

  it('names a lack of memory, and loses nothing', async () => {
    const other = await opened('/page');
    const { answers } = await inChangedWorker(other, 'cpu', [
      `
       WebAssembly.Memory = function () { throw new RangeError('WebAssembly.Memory(): could not allocate memory'); };`,
    ]);
    expect(answers[0]!.code).toBe('engine/memory');
    const bytes = await other.evaluate(async () => Array.from(await window.pets.bytes()));
    const kept = await decodeClassifier(Uint8Array.from(bytes));
    expect(kept.examples).toHaveLength(classifier.data.examples.length);
    const again = await other.evaluate(async () => {
      const pets = await page.open('../site/');
      return pets.predict(await (await fetch('../data/picture.png')).blob());
    });
    await expectSame(again);
    await other.close();
  });

  it('saves what it has learnt without a network, and names a part of the program that cannot be loaded', async () => {
    await sharp(picture).jpeg().toFile(at('picture.jpg'));
    const other = await opened('/page');
    await other.evaluate(async () => {
      const pets = await page.open('../site/');
      const image = await (await fetch('../data/picture.jpg')).blob();
      window.pets = await pets.add([{ image, label: 'owl' }]);
    });
    const png = Array.from(readFileSync(picture));
    await other.route(/\.js$/, (route) => route.abort());
    const attempts = () =>
      other.evaluate(async (png) => {
        const blob = new Blob([Uint8Array.from(png)]);
        const codeOf = (answer: Promise<unknown>) =>
          answer.then(
            () => 'answered',
            ({ code }) => code,
          );
        return [await codeOf(window.pets.explain(blob)), await codeOf(window.pets.predict(blob))];
      }, png);
    expect(await attempts()).toEqual(['web/network', 'web/network']);
    const bytes = await other.evaluate(async () => Array.from(await window.pets.bytes()));
    const kept = await decodeClassifier(Uint8Array.from(bytes));
    expect(kept.classes.map(({ id }) => id)).toContain('owl');
    await other.unroute(/\.js$/);
    expect(await attempts()).toEqual(['answered', 'answered']);
    await other.route(/\/tip-adapter-/, (route) => route.abort());
    expect((await codeOf('../site/', {}, other)).code).toBe('web/network');
    await other.close();
  });

  it('names a camera that is refused', async () => {
    const code = await tab.evaluate(`(async () => {
      const { getUserMedia } = MediaDevices.prototype;
      MediaDevices.prototype.getUserMedia = async () => { throw new DOMException('no', 'NotAllowedError'); };
      const code = await page.openCamera().catch((error) => error.code);
      MediaDevices.prototype.getUserMedia = getUserMedia;
      return code;
    })()`);
    expect(code).toBe('web/camera-refused');
  });

  it("names a fault in the page's language", async () => {
    await tab.evaluate(() =>
      Object.assign((document as unknown as { documentElement: object }).documentElement, { lang: 'zh-CN' }),
    );
    const { code, message } = await codeOf('../nothing/');
    await tab.evaluate(() =>
      Object.assign((document as unknown as { documentElement: object }).documentElement, { lang: 'en' }),
    );
    expect(code).toBe('web/not-found');
    expect(message).toContain('找不到');
  });
});
