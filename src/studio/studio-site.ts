import * as z from 'zod/mini';
import { ModelError } from '../errors.ts';
import { parseJson } from '../json.ts';

/** The file of a studio's site that names its encoder. */
export const STUDIO_SITE_FILE = 'studio.json';

/** The folder of the sample pictures in a studio's site. */
export const SAMPLES = 'samples/';

const site = z.object({
  format: z.literal(1),
  /** URL of the encoder's folder, relative to the site, with a slash at its end. */
  encoder: z.string().check(z.regex(/\/$/)),
  /** Whether the sample pictures are in the site. */
  samples: z.boolean(),
});

/** The content of `studio.json`. */
export type StudioSite = z.infer<typeof site>;

/** @param where the name of the text in an error */
export function parseStudioSite(text: string, where: string): StudioSite {
  const refuse = (why: string, cause?: unknown): never => {
    throw new ModelError(`${where} is not the file of a studio's site: ${why}`, {
      code: 'web/site',
      hint: 'Write the folder again with tip-adapter studio --export, and upload all of it.',
      details: { where },
      cause,
    });
  };
  const parsed = z.safeParse(site, parseJson(text, { depth: 4, values: 20 }, refuse));
  return parsed.success ? parsed.data : refuse('it lacks a field, or is of another format');
}
