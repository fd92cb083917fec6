import type { LoadOptions } from '../../../encoder/load.ts';
import type { Encoder } from '../../../encoder/types.ts';
import { sharedEngine } from '../../../engine/shared.ts';
import { InterruptedError, ModelError } from '../../../errors.ts';
import { type Downloads, download, downloadOnce, isDownloaded } from '../../../web/download.ts';
import { type EncoderFolder, encoderAt } from '../../../web/encoder.ts';
import { parseStudioSite, STUDIO_SITE_FILE, type StudioSite } from '../../studio-site.ts';

/** The content of the site's file, with the whole URL of the encoder's folder. */
export async function studioSite(site: string): Promise<StudioSite> {
  const url = new URL(STUDIO_SITE_FILE, site).href;
  const parsed = parseStudioSite(new TextDecoder().decode(await download(url, STUDIO_SITE_FILE, {})), url);
  return { ...parsed, encoder: new URL(parsed.encoder, site).href };
}

/** An encoder with the files that it was made from. */
export interface SiteEncoder extends Pick<EncoderFolder, 'record' | 'files'> {
  readonly encoder: Encoder;
}

/**
 * The site's encoder. Its files are downloaded once, after the person has agreed, so that it works without a network later. `note` is called
 * if the browser cannot keep them.
 */
export async function loadSiteEncoder(
  folder: string,
  { signal, confirm, onProgress }: Pick<LoadOptions, 'signal' | 'confirm' | 'onProgress'>,
  note: Downloads['note'],
): Promise<SiteEncoder> {
  const downloads: Downloads = { cache: true, signal, note };
  const { record, files: read, open } = await encoderAt(folder, () => downloads);
  const { id, licence, fingerprint, files } = record;
  const missing = [];
  for (const file of files) if (!(await isDownloaded(fingerprint, file))) missing.push(file);
  const total = missing.reduce((sum, { bytes }) => sum + bytes, 0);
  const isAgreed =
    total === 0 || (await confirm?.({ id, source: new URL(folder).host, bytes: total, licence }));
  if (isAgreed === false) {
    throw new ModelError(`The encoder ${id} was not downloaded`, {
      code: 'encoder/declined',
      hint: 'Agree to the download to begin.',
    });
  }
  let before = 0;
  for (const file of missing) {
    if (signal?.aborted) throw new InterruptedError();
    await downloadOnce(new URL(file.path, folder).href, file.path, fingerprint, file, {
      ...downloads,
      onDownload: ({ received }) => onProgress?.({ step: 'download', received: before + received, total }),
    });
    before += file.bytes;
  }
  return { record, files: read, encoder: await open(sharedEngine()) };
}
