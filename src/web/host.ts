import {
  checkedOptions,
  checkedReject,
  explainOptions,
  predictOptions,
} from '../classifier/answer-options.ts';
import { taskOf } from '../classifier/classifier-task.ts';
import { decodeClassifier } from '../classifier/decode.ts';
import { checkEncoder } from '../classifier/encoder-reference.ts';
import type { EmbeddingSession } from '../classifier/encoder-session.ts';
import { predictionOf } from '../classifier/prediction.ts';
import type { ClassifierData, Explanation, Progress } from '../classifier/types.ts';
import type { Encoder } from '../encoder/types.ts';
import { sameThreadEngine } from '../engine/same-thread.ts';
import { setSharedEngine } from '../engine/shared.ts';
import type { Engine } from '../engine/types.ts';
import { InterruptedError, ModelError } from '../errors.ts';
import type { Pixels } from '../image/types.ts';
import { loadPart } from '../load-part.ts';
import { type Matrix, row, softmaxRows } from '../math/matrix.ts';
import { loadedMethod } from '../methods/loaded.ts';
import { createScorer, type Scorer } from '../methods/score.ts';
import { choice, flag, integer, optional, resolveOptions } from '../options.ts';
import { type Downloads, download } from './download.ts';
import { type EncoderFolder, encoderAt } from './encoder.ts';
import { infoOf } from './info.ts';
import { pagePicture } from './picture.ts';
import {
  type Calls,
  type DownloadProgress,
  type Opened,
  type Opening,
  sentError,
  WEB_DEVICES,
} from './protocol.ts';
import { loadFormats } from './raster.ts';
import { type Embed, encodePictures, type PagePicture, pageSession } from './session.ts';
import { parseSite, SITE_FILE } from './site.ts';

/** The options of `open` that have values, for checking. */
const openingOptions = {
  device: choice(WEB_DEVICES, { default: 'auto', help: 'Where the encoder computes.' }),
  threads: optional(integer({ min: 1, help: 'Threads of the CPU.' })),
  cache: flag({ default: true, help: "Keep the encoder in the browser's Cache Storage." }),
};

/** Milliseconds from the first answer until `explain` and the rules for PNG and GIF are loaded, so that these need no network later. */
const IDLE = 1000;

/** How one call is done. */
interface Work {
  readonly signal: AbortSignal;
  onDownload(progress: DownloadProgress): void;
  onProgress(progress: Progress): void;
}

/** The functions of the worker's calls. */
export type Host = {
  [K in keyof Calls]: (work: Work, ...given: Parameters<Calls[K]>) => Promise<ReturnType<Calls[K]>>;
} & {
  release(classifier: number): Promise<void>;
};

/** A classifier that the worker holds. */
interface Held {
  readonly data: ClassifierData;
  scorer?: Promise<Scorer>;
}

/** The open encoder, and where it computes now. */
interface Embedding {
  readonly device: 'webgpu' | 'cpu';
  /** The encoder with which texts are encoded. */
  readonly words: Encoder;
  readonly embed: Embed;
  readonly session: EmbeddingSession;
}

const explaining = () => loadPart(() => import('../classifier/explain.ts'));
const changes = () => loadPart(() => import('./changes.ts'));

/** Opens classifiers of one encoder and answers their calls. `note` gets lines for the person. */
export function createHost(note: (line: string, code: string) => void): Host {
  const held = new Map<number, Held>();
  let serial = 0;
  let hasAnswered = false;
  let opened: Embedding | undefined;
  // The downloads of a call are reported to it. A tower is fetched at its first use, during any call.
  let downloads: Downloads = { note, cache: true };

  function within(work: Work): void {
    downloads = { ...downloads, signal: work.signal, onDownload: work.onDownload };
  }

  function hold(data: ClassifierData): Opened {
    const classifier = serial++;
    held.set(classifier, { data });
    return { classifier, info: infoOf(data), device: session().device };
  }

  function session(): Embedding {
    if (opened) return opened;
    throw new Error('nothing is open');
  }

  function one(classifier: number): Held {
    const found = held.get(classifier);
    if (found) return found;
    throw new Error(`classifier ${classifier} was released`);
  }

  function scorerOf(classifier: Held): Promise<Scorer> {
    const { data } = classifier;
    classifier.scorer ??= createScorer(cpuEngine, loadedMethod(data.method), data.state, taskOf(data));
    return classifier.scorer;
  }

  let cpuEngine: Engine;

  async function open(opening: Opening): Promise<Opened> {
    const { device, threads, cache } = resolveOptions(openingOptions, opening.values);
    downloads = { ...downloads, cache };
    const { data, folder } = await contentOf(opening, downloads);
    const encoder = await encoderAt(folder, () => downloads);
    checkEncoder(data.encoder, encoder.record);
    const gpu = device === 'cpu' ? undefined : await adapter(device);
    if (device === 'webgpu' && !gpu)
      note('This browser gives the page no GPU, so the CPU is used', 'web/no-gpu');
    if (threads !== undefined && threads > 1 && !crossOriginIsolated)
      note('The page is not cross-origin isolated, so one thread computes', 'web/no-threads');
    const options = {
      threads: crossOriginIsolated ? (threads ?? navigator.hardwareConcurrency) : 1,
      wasmPaths: opening.runtime,
      gpu: gpu !== undefined,
      note: (line: string) => note(line, 'web/device'),
    };
    cpuEngine = sameThreadEngine({ ...options, device: 'cpu' });
    setSharedEngine(cpuEngine);
    opened = await embedding(
      encoder,
      cpuEngine,
      gpu ? sameThreadEngine({ ...options, device: 'webgpu' }) : undefined,
    );
    return hold(data);
  }

  /** The session of the encoder on the GPU, if there is one, and on the CPU from the moment when the GPU fails. */
  async function embedding(folder: EncoderFolder, cpu: Engine, gpu?: Engine): Promise<Embedding> {
    let encoder: Encoder = await folder.open(gpu ?? cpu);
    // Texts are few, so they are always encoded on the CPU.
    const words = gpu ? await folder.open(cpu) : encoder;
    const state: { device: Embedding['device'] } = { device: gpu ? 'webgpu' : 'cpu' };
    const embedNow = async (pixels: Pixels[], signal?: AbortSignal): Promise<Matrix> => {
      try {
        return await encoder.embedImages(pixels, { signal });
      } catch (error) {
        if (state.device === 'cpu' || error instanceof InterruptedError || !isEngineError(error)) throw error;
        state.device = 'cpu';
        void encoder.close().catch(() => {});
        encoder = words;
        note(
          `The GPU cannot be used any more (${(error as Error).message}); the CPU replaces it`,
          'web/device-lost',
        );
        return encoder.embedImages(pixels, { signal });
      }
    };
    // Calls run one at a time, so that none uses an encoder that another call replaces. The engine also runs one call at a time.
    let before: Promise<unknown> = Promise.resolve();
    const embed = (pixels: Pixels[], signal?: AbortSignal): Promise<Matrix> => {
      const embedded = before.then(() => embedNow(pixels, signal));
      before = embedded.catch(() => {});
      return embedded;
    };
    return Object.assign(state, { words, embed, session: pageSession(words, embed) });
  }

  async function probabilities(classifier: Held, features: Matrix, signal: AbortSignal): Promise<Matrix> {
    const scores = await (await scorerOf(classifier)).scores(features, { signal });
    return softmaxRows(scores, classifier.data.tuning.temperature);
  }

  function encode({ data: { exif, seed } }: Held, pictures: PagePicture[], { signal, onProgress }: Work) {
    const { words, embed } = session();
    return encodePictures(pictures, words, embed, {
      views: [0],
      seed,
      exif,
      hashed: false,
      signal,
      onProgress,
    });
  }

  return {
    async open(work, opening) {
      within(work);
      return open(opening);
    },
    async predict(work, of, sent, options) {
      within(work);
      const { reject } = checkedOptions(predictOptions, options);
      const classifier = one(of);
      const pictures = sent.map(pagePicture);
      const { features, rows, failures } = await encode(classifier, pictures, work);
      const all = await probabilities(classifier, features, work.signal);
      const answers: ReturnType<Calls['predict']> = [];
      rows.forEach(({ item }, i) => {
        answers[item] = predictionOf(classifier.data, pictures[item]!.id, row(all, i), reject);
      });
      if (!hasAnswered) setTimeout(() => Promise.all([explaining(), loadFormats()]).catch(() => {}), IDLE);
      hasAnswered = true;
      for (const { item, id, error } of failures) answers[item] = { image: id, failed: sentError(error) };
      return answers;
    },
    async explain(work, of, sent, options): Promise<Explanation> {
      within(work);
      const { explainFeatures } = await explaining();
      const { reject, examples } = checkedOptions(explainOptions, options);
      const classifier = one(of);
      const picture = pagePicture(sent);
      const { features, failures } = await encode(classifier, [picture], work);
      for (const { error } of failures) throw error;
      return explainFeatures(classifier.data, await scorerOf(classifier), picture.id, features, {
        reject,
        examples,
        signal: work.signal,
      });
    },
    async add(work, of, examples) {
      within(work);
      const { addLabelled, labelledList } = await changes();
      const { data } = one(of);
      const named = examples.map(({ picture, label }) => ({ ...pagePicture(picture), name: label }));
      const { signal, onProgress } = work;
      const added = await addLabelled(data, session().session, labelledList(data.classes, named), {
        signal,
        onProgress,
      });
      for (const { message } of added.findings) note(message, 'web/finding');
      return hold(added.data);
    },
    async remove(work, of, removal) {
      within(work);
      const { removeParts } = await changes();
      return hold(await removeParts(one(of).data, session().session, removal, work));
    },
    async refit(work, of, values) {
      within(work);
      const { refitMethod } = await changes();
      return hold(await refitMethod(one(of).data, session().session, values, work.signal));
    },
    withReject: async (_, of, reject) => hold({ ...one(of).data, reject: checkedReject(reject) }),
    bytes: async (_, of) => {
      const { classifierBytes } = await changes();
      return classifierBytes(one(of).data) as Uint8Array<ArrayBuffer>;
    },
    release: async (classifier) => {
      const gone = held.get(classifier);
      held.delete(classifier);
      await (await gone?.scorer?.catch(() => undefined))?.close();
    },
  };
}

/** The classifier to open, and the URL of its encoder's folder. */
async function contentOf(
  { site, classifier, encoder }: Opening,
  downloads: Downloads,
): Promise<{ data: ClassifierData; folder: string }> {
  const { signal } = downloads;
  if (site !== undefined) {
    const url = new URL(SITE_FILE, site).href;
    const { classifier: stated, encoder: place } = parseSite(
      new TextDecoder().decode(await download(url, SITE_FILE, downloads)),
      url,
    );
    const bytes = await download(new URL(stated.path, site).href, stated.path, downloads, stated);
    return {
      data: await decodeClassifier(bytes, stated.path, signal),
      folder: encoder ?? new URL(place, site).href,
    };
  }
  if (encoder === undefined || !classifier) throw noEncoderUrl();
  if ('bytes' in classifier)
    return { data: await decodeClassifier(classifier.bytes, classifier.name, signal), folder: encoder };
  const bytes = await download(classifier.url, classifier.url, downloads);
  return { data: await decodeClassifier(bytes, classifier.url, signal), folder: encoder };
}

function noEncoderUrl(): ModelError {
  return new ModelError('A classifier without its site needs the URL of an encoder', {
    code: 'web/encoder-url',
    hint: "Give open the option encoder: the URL of the encoder's folder, which tip-adapter export --to site writes.",
  });
}

function isEngineError(error: unknown): boolean {
  return error instanceof ModelError && /^(engine|encoder)\//.test(error.code);
}

/** A GPU, if the browser has one. A slow one that is computed in software is taken only if WebGPU was asked for. */
async function adapter(device: 'auto' | 'webgpu'): Promise<object | undefined> {
  const { gpu } = navigator as {
    gpu?: { requestAdapter(): Promise<{ info?: { isFallbackAdapter?: boolean } } | null> };
  };
  const found = (await gpu?.requestAdapter().catch(() => null)) ?? undefined;
  if (device === 'webgpu' || !found?.info?.isFallbackAdapter) return found;
  return undefined;
}
