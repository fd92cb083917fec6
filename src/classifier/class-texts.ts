import type { Abortable } from '../abort.ts';
import type { ClassInfo, Finding } from '../dataset/types.ts';
import type { EncodeTextsOptions } from '../encoder/encode-texts.ts';
import { type MisreadPrompts, presetTemplates, readsNone, textHead } from '../encoder/prompts.ts';
import type { Encoder } from '../encoder/types.ts';
import { concatRows } from '../math/matrix.ts';
import { methodById } from '../methods/index.ts';
import { lacksProjection, lacksTextTower } from '../methods/needs.ts';
import { headFromPrompts } from '../methods/text-head.ts';
import { count, plural } from '../words.ts';
import type { EncoderSession } from './encoder-session.ts';
import { askedFor, type Wanted } from './given.ts';
import { rounded } from './rounding.ts';
import type { ClassifierData } from './types.ts';

/** A text head with its prompts. */
export type Head = NonNullable<ClassifierData['head']>;

/** The templates that the options give, else those of the encoder. */
export function templatesOf(
  { template, prompts }: { template?: readonly string[]; prompts?: string },
  encoder: Pick<Encoder, 'defaults'>,
): string[] {
  if (template) return [...template];
  return prompts ? [...presetTemplates(prompts)] : [encoder.defaults.template];
}

/**
 * Throws `UsageError` if the method or the options ask for something that the encoder lacks: class names, or pre-projection features. It is
 * called before pictures are encoded.
 */
export function checkEncoderSuits(
  wanted: Wanted & Parameters<typeof templatesOf>[0],
  encoder: Encoder,
): void {
  const { id } = askedFor(wanted);
  const method = id === 'auto' ? undefined : methodById(id);
  if (method?.needs.includes('projection') && !encoder.projection) throw lacksProjection(method);
  if (method?.needs.includes('text-tower') && !encoder.textTower) throw lacksTextTower(method);
  if (encoder.embedTexts) return;
  const given = wanted.template ? 'template' : wanted.prompts === undefined ? undefined : 'prompts';
  const needs = method?.needs.includes('text') ? `${method.name} needs class names` : undefined;
  const what = needs ?? (given && `The option ${given} is about class names`);
  if (what) throw readsNone(encoder, what);
}

/** The text head with embeddings rounded to half precision, as in the file, and findings about its prompts. */
export async function roundedHead(
  encoder: Encoder,
  classes: readonly ClassInfo[],
  templates: readonly string[],
  work: EncodeTextsOptions = {},
): Promise<{ head: Head; findings: Finding[] }> {
  const { promptFeatures, promptClass, prompts, ...misread } = await textHead(
    encoder,
    [...classes],
    [...templates],
    work,
  );
  const kept = rounded(promptFeatures, 'half');
  const head = { ...headFromPrompts(kept, promptClass, classes.length, encoder.logitScale), prompts };
  return { head, findings: promptFindings(misread, encoder.id) };
}

/** Warns of prompts that the encoder does not read as they are meant. */
export function promptFindings({ cut, foreign }: MisreadPrompts, encoder: string): Finding[] {
  return [...cutFindings(cut, encoder), ...foreignFindings(foreign, encoder)];
}

function foreignFindings(foreign: readonly string[], encoder: string): Finding[] {
  if (foreign.length === 0) return [];
  const [are, help] = [
    plural(foreign.length, 'is', 'are'),
    plural(foreign.length, 'it hardly helps', 'they hardly help'),
  ];
  return [
    {
      level: 'warning',
      code: 'prompts/script',
      message:
        `${count(foreign.length, 'prompt')} ${are} in a script that ${encoder} has not learnt, and ${help}. ` +
        'Give English names in a file for --classes, or take an encoder of "tip-adapter encoders list --for languages"',
      paths: [...foreign],
    },
  ];
}

function cutFindings(cut: MisreadPrompts['cut'], encoder: string): Finding[] {
  const [first] = cut;
  if (!first) return [];
  const [are, ends] = [plural(cut.length, 'is', 'are'), plural(cut.length, 'its end is', 'their ends are')];
  return [
    {
      level: 'warning',
      code: 'prompts/cut',
      message: `${count(cut.length, 'prompt')} ${are} longer than the ${count(first.read, 'token')} that ${encoder} reads; ${ends} not read`,
      paths: cut.map(({ prompt, tokens }) => `${prompt} (${count(tokens, 'token')})`),
    },
  ];
}

/** The text head of a classifier with further classes. Their texts are their own, if given, else those of the classifier's templates. */
export async function headWith(
  { head, templates }: Pick<ClassifierData, 'head' | 'templates'>,
  fresh: readonly ClassInfo[],
  session: Pick<EncoderSession, 'encoder'>,
  { texts, signal }: Abortable & { texts?: Head } = {},
): Promise<{ head: ClassifierData['head']; findings: Finding[] }> {
  if (!head || fresh.length === 0) return { head, findings: [] };
  if (texts) return { head: joined(head, texts), findings: [] };
  const { head: more, findings } = await roundedHead(await session.encoder(), fresh, templates, { signal });
  return { head: joined(head, more), findings };
}

/** A head extended by the prompts of further classes, which `more` numbers from 0. */
function joined(head: Head, more: Head): Head {
  const before = head.prompts.length;
  const features = concatRows([head.promptFeatures, more.promptFeatures]);
  const promptClass = Int32Array.from([...head.promptClass, ...more.promptClass.map((c) => c + before)]);
  const prompts = [...head.prompts, ...more.prompts];
  return { ...headFromPrompts(features, promptClass, prompts.length, head.logitScale), prompts };
}
