import * as z from 'zod/mini';
import { ModelError } from '../errors.ts';
import { parseJson } from '../json.ts';

/**
 * A site is a folder that `open` of `tip-adapter/web` reads from a static host: `site.json`, a classifier's file, and a folder with an
 * encoder. The encoder has the record `encoder.json` of every installed encoder, whose models are ONNX files.
 */
export const SITE_FILE = 'site.json';

/** Number of the format, which a change that an older reader cannot read raises by one. */
export const SITE_FORMAT = 1;

const site = z.object({
  format: z.literal(SITE_FORMAT),
  /** The classifier's file, relative to the folder. */
  classifier: z.object({
    path: z.string().check(z.minLength(1)),
    bytes: z.int().check(z.nonnegative()),
    sha256: z.string().check(z.regex(/^[0-9a-f]{64}$/)),
  }),
  /** The encoder's folder, relative to the folder, with a slash at its end. */
  encoder: z.string().check(z.regex(/\/$/)),
  /** With 8-bit weights: the measured loss (`QuantisationLoss` of tip-adapter/export), for people. No program reads it. */
  quantised: z.optional(z.unknown()),
});

/** The content of `site.json`. */
export type Site = z.infer<typeof site>;

/** @param where the name of the text in an error */
export function parseSite(text: string, where: string): Site {
  const refuse = (why: string, cause?: unknown): never => {
    throw new ModelError(`${where} is not a site of tip-adapter: ${why}`, {
      code: 'web/site',
      hint: 'Write the folder again with tip-adapter export --to site, and upload all of it.',
      details: { where },
      cause,
    });
  };
  const json = parseJson(text, { depth: 8, values: 100 }, refuse);
  const format = (json as { format?: unknown } | null)?.format;
  if (typeof format === 'number' && format > SITE_FORMAT)
    refuse(`its format ${format} is newer than this version of tip-adapter, which reads ${SITE_FORMAT}`);
  const parsed = z.safeParse(site, json);
  return parsed.success ? parsed.data : refuse('a field is missing or has a wrong value');
}
