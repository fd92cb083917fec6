import { existsSync } from 'node:fs';
import { ModelError, UsageError } from '../errors.ts';
import { suggestion } from '../nearest.ts';
import { parseSource } from '../store/sources.ts';
import { BUILTIN_ID } from './builtin/packages.ts';
import { parsePrecision, type TowerPrecision } from './precision.ts';
import { REGISTRY, type RegisteredEncoder } from './registry.ts';

/** How the id of an encoder ends that `export --to site --quantise` made. Such an encoder is in its site and nowhere else. */
export const QUANTISED = ' (8-bit weights)';

/** The source of an encoder and its id. */
export type EncoderSource =
  | { readonly kind: 'builtin'; readonly id: string }
  | {
      readonly kind: 'hub';
      readonly id: string;
      readonly repo: string;
      readonly revision?: string;
      readonly precision: TowerPrecision;
      readonly registered?: RegisteredEncoder;
    }
  | { readonly kind: 'https'; readonly id: string; readonly url: string; readonly sha256: string }
  | {
      readonly kind: 'folder';
      readonly id: string;
      readonly path: string;
      readonly precision: TowerPrecision;
    };

/**
 * Parses a name of the registry, `hf:owner/repo[@revision][#precision]` (`#q8`, `#vision=fp16,text=q8`), `https://…/encoder.zip#sha256=<hex>` (a bundle), or the
 * path of a folder `path[#precision]`. Throws `UsageError` with the nearest name for anything else, and `ModelError` for the 8-bit encoder of a site.
 */
export function encoderSource(name: string): EncoderSource {
  const registered = REGISTRY.find((entry) => entry.id === name);
  if (registered) return registeredSource(registered);
  if (name.endsWith(QUANTISED) && !existsSync(name)) throw ofSite(name);
  const [, place = '', suffix = 'fp32'] = /^(.*?)(?:#(?!sha256=)([\w=,]+))?$/s.exec(name) as RegExpExecArray;
  if (!/[\\/:]|^\.+$/.test(place)) throw unknownName(name);
  const source = parseSource(place);
  switch (source.kind) {
    case 'hub':
      return { id: name, ...source, precision: parsePrecision(suffix, name) };
    case 'https':
      return { id: name, ...source };
    case 'folder': {
      const precision = parsePrecision(suffix, name);
      // The path is absolute, so that a classifier finds the encoder from any working directory.
      return { id: precision === 'fp32' ? source.path : `${source.path}#${precision}`, ...source, precision };
    }
    case 'npm':
      throw new UsageError(`${name} is a package, and the only encoder made of packages is ${BUILTIN_ID}`, {
        code: 'encoder/package',
      });
  }
}

function registeredSource(registered: RegisteredEncoder): EncoderSource {
  const { id, repo, revision, precision } = registered;
  return repo ? { kind: 'hub', id, repo, revision, precision, registered } : { kind: 'builtin', id };
}

function ofSite(name: string): ModelError {
  return new ModelError(`The encoder ${name} exists only in the site that was exported with --quantise`, {
    code: 'encoder/quantised',
    hint: "Open the classifier in a page with that site's encoder. For other programs, export without --quantise, or add the new examples to the original classifier.",
    details: { name },
  });
}

/** The error for an unknown name. */
export function unknownName(name: string): UsageError {
  const ids = REGISTRY.map((entry) => entry.id);
  return new UsageError(`There is no encoder named "${name}"`, {
    code: 'encoder/unknown',
    hint: `${suggestion(name, ids)}Known are ${ids.join(', ')}. For others, give hf:owner/repo or a folder with a slash, such as ./${name}.`,
    details: { name },
  });
}
