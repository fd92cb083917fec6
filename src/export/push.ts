import { mkdtemp, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Classifier } from '../classifier/classifier.ts';
import { HUB_FILE } from '../classifier/classifier-file.ts';
import type { Evaluation } from '../classifier/types.ts';
import { UsageError } from '../errors.ts';
import { checkPush, type Pushed, type PushedFile, pushHub } from '../store/hub-push.ts';
import type { NetworkOptions } from '../store/network.ts';
import { type HubContent, hubCard } from './hub-card.ts';
import { exportOnnx } from './onnx-export.ts';
import { exportSite } from './site.ts';
import { exportWeb } from './web-page.ts';

/** Options of `pushClassifier`. */
export interface PushClassifierOptions extends NetworkOptions {
  /** The figures of the card. Without them, the card has those of left-out examples. */
  evaluation?: Evaluation;
  /** The name of the data of the evaluation, for the card. */
  evaluatedOn?: string;
  /** Whether to add the ONNX model (default: yes, if the classifier has one), the site and the page. */
  onnx?: boolean;
  site?: boolean;
  page?: boolean;
  /** Whether everyone may read a repository that is made now. Default: its owner only. */
  public?: boolean;
  /** The title of the commit. */
  message?: string;
}

/** A classifier on the hub. */
export interface PushedClassifier extends Pushed {
  /** The name that `load` opens: `hf:owner/name@commit`. */
  readonly place: string;
  /** Paths inside the repository, with sizes in bytes. */
  readonly files: readonly { readonly path: string; readonly bytes: number }[];
  /** The reason why there is no ONNX model, if one was wanted. */
  readonly withoutOnnx?: string;
}

const [CARD, ONNX, PAGE, SITE] = ['README.md', 'model.onnx', 'page.html', 'site/'];

/**
 * Writes a classifier into the repository `owner/name` on the hub, in one commit: its file, a model card, its ONNX model and, if wanted, its
 * site and page. `HF_TOKEN` has the token, and `HF_ENDPOINT` the address of another hub. Throws `UsageError` `hub/…`, `ModelError`
 * `network/…`, and as the exports do.
 */
export async function pushClassifier(
  classifier: Classifier,
  repo: string,
  {
    evaluation,
    evaluatedOn,
    onnx = true,
    site = false,
    page = false,
    ...options
  }: PushClassifierOptions = {},
): Promise<PushedClassifier> {
  checkPush(repo);
  const { data } = classifier;
  const { signal } = options;
  const folder = await mkdtemp(join(tmpdir(), 'tip-adapter-push-'));
  try {
    const files: PushedFile[] = [];
    const content: { -readonly [K in keyof HubContent]: HubContent[K] } = {
      repo,
      evaluation,
      evaluatedOn,
    };
    const place = (path: string) => {
      files.push({ path, file: join(folder, path) });
      return join(folder, path);
    };
    await classifier.save(place(HUB_FILE), { signal });
    const model = onnx ? await onnxOf(classifier, signal) : undefined;
    if (model?.bytes) {
      content.onnx = { path: ONNX, input: model.input };
      await writeFile(place(ONNX), model.bytes);
    }
    if (site) {
      content.site = SITE;
      for (const { path } of (await exportSite(classifier, join(folder, SITE), { signal })).files)
        place(SITE + path);
    }
    if (page) {
      content.page = PAGE;
      await writeFile(place(PAGE), (await exportWeb(classifier, { signal })).bytes);
    }
    await writeFile(place(CARD), hubCard(data, content));
    const message = options.message ?? `Version ${data.version} of ${data.dataset}, by tip-adapter`;
    const pushed = await pushHub(repo, files, { ...options, message, mark: HUB_FILE, isPart });
    return {
      ...pushed,
      place: `hf:${repo}@${pushed.commit}`,
      files: await Promise.all(
        files.map(async ({ path, file }) => ({ path, bytes: (await stat(file)).size })),
      ),
      ...(model?.reason !== undefined && { withoutOnnx: model.reason }),
    };
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

/** Whether a path is that of a part which a push may leave out. An older one would belong to another classifier. */
const isPart = (path: string) => path === ONNX || path === PAGE || path.startsWith(SITE);

/** The ONNX model from pixels, or from features for a classifier of given features. If the method has none, the reason. */
async function onnxOf(
  classifier: Classifier,
  signal: AbortSignal | undefined,
): Promise<{ input: string; bytes: Uint8Array; reason?: never } | { bytes?: never; reason: string }> {
  const input = classifier.data.encoder.preprocessing ? 'pixels' : 'features';
  try {
    const { bytes } = await exportOnnx(classifier, { input, signal });
    return { input, bytes };
  } catch (error) {
    if (error instanceof UsageError) return { reason: error.message };
    throw error;
  }
}
