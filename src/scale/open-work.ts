import { z } from 'zod';
import type { Abortable } from '../abort.ts';
import { classifierFile } from '../classifier/classifier-file.ts';
import type { Encoder } from '../encoder/types.ts';
import { ModelError, UsageError } from '../errors.ts';
import { faultOf } from '../options.ts';
import { isStreamed } from '../store/store-address.ts';
import { openBench } from './bench-work.ts';
import {
  benchDescription,
  embedDescription,
  type PredictDescription,
  predictDescription,
  summaryDescription,
} from './descriptions.ts';
import { openEmbed, unlabelledData } from './embed.ts';
import { openPredict } from './predict-work.ts';
import { openPictures } from './store-source.ts';
import { openSums } from './summary-work.ts';
import type { Work, WorkDescription } from './work.ts';

/**
 * The work that a description tells of, as a worker opens it on its own machine. The description comes from outside: it is checked. Throws
 * `UsageError` `scale/description` if it is malformed, and `ModelError` `scale/other-encoder` if the encoder of this name is another one here.
 */
export async function openWork(
  description: WorkDescription,
  { encoder: own, ...options }: Abortable & { note?(line: string): void; encoder?: Encoder } = {},
): Promise<Work> {
  const parsed = z
    .discriminatedUnion('kind', [embedDescription, predictDescription, benchDescription, summaryDescription])
    .safeParse(description);
  if (!parsed.success) {
    throw new UsageError(`The description of the work cannot be used: ${faultOf(parsed.error)}`, {
      code: 'scale/description',
      hint: 'Run the same version of tip-adapter on all machines.',
    });
  }
  if (parsed.data.kind === 'predict') return openAnswers(parsed.data, options);
  if (parsed.data.kind === 'bench') {
    const { kind: _, ...settings } = parsed.data;
    return (await openBench(settings, options)).work;
  }
  if (parsed.data.kind === 'summary') return openSums(parsed.data, options);
  const { kind: _, source, reading, encoder: name, fingerprint, ...values } = parsed.data;
  const { work, encoder } = await openEmbed(source, {
    ...reading,
    ...values,
    encoder: own ?? name,
    ...options,
  });
  if (encoder.fingerprint === fingerprint) return work;
  await work.close();
  throw new ModelError(
    `The run was begun with the encoder ${name} (${fingerprint.slice(0, 12)}); the one here is ${encoder.fingerprint.slice(0, 12)}`,
    {
      code: 'scale/other-encoder',
      hint: 'Give all machines the same encoder: encoders bundle puts one into a file.',
      details: { expected: fingerprint, actual: encoder.fingerprint },
    },
  );
}

async function openAnswers(
  { kind: _, sha256, ...description }: PredictDescription,
  { signal }: Abortable,
): Promise<Work> {
  const { source, reading } = description;
  const listed = isStreamed(source)
    ? await openPictures(source, { signal })
    : await unlabelledData(source, { ...reading, signal });
  const classifier = await classifierFile(description.classifier, { signal });
  const settings = { ...description, classifier, source: listed, description };
  const { work, sha256: own } = await openPredict(settings, { signal });
  if (own === sha256) return work;
  await work.close();
  throw new ModelError(
    `${description.classifier} is another classifier than the one that the run was begun with`,
    {
      code: 'scale/other-classifier',
      hint: 'Give all machines the same file, for example in a shared folder.',
      details: { expected: sha256, actual: own },
    },
  );
}
