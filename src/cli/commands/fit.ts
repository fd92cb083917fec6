import { exampleCount } from '../../classifier/example-counts.ts';
import { type FitValues, fitOptions } from '../../classifier/fit-options.ts';
import type { Classifier } from '../../classifier/index.ts';
import type { ClassifierData, ExampleSuspects } from '../../classifier/types.ts';
import { partReading, readOptions } from '../../dataset/read-options.ts';
import { yesOption } from '../../encoder/encoder-option.ts';
import { InterruptedError } from '../../errors.ts';
import { flag, optional, text } from '../../options.ts';
import { calibrationText, isCalibratedOnAll } from '../../report/choice.ts';
import { duration } from '../../report/numbers.ts';
import type { Queue } from '../../scale/work.ts';
import { count, number } from '../../words.ts';
import { defineCommand, jsonOption, noEffect, typedValue } from '../command.ts';
import { comparedText, methodText } from '../fitted-text.ts';
import { bytes, programName, shellWord } from '../format.ts';
import { checkAllLearnt } from '../images.ts';
import type { Io, Line } from '../io.ts';
import { checkOutput, checkOutputFolder } from '../output-checks.ts';
import { partJson, printJson } from '../print.ts';
import { pullBar, trainingBar, withBar } from '../progress-bars.ts';
import { checkQueue, openQueue, queueOptions } from '../queue-options.ts';
import { suspectLines } from '../suspect-lines.ts';
import { tellFindings } from '../tell.ts';
import { readTold, refuseWarnings, strictOption, untold } from '../told-data.ts';

export const fitCommand = defineCommand({
  args: ['<data>'],
  options: {
    output: text({ short: 'o', value: '<file>', help: 'The file to write (.safetensors).' }),
    ...fitOptions,
    ...readOptions,
    suspects: flag({
      help: 'Also list the labels of examples that are most likely wrong, by classifiers that have not learnt from them.',
    }),
    strict: strictOption,
    yes: yesOption,
    json: jsonOption,
    resume: flag({
      help: 'Continue an interrupted training. Pictures and all other options must be the same as before.',
    }),
    fromBundle: optional(text({ value: '<zip>', help: 'Install the encoder from this bundle and use it.' })),
    queue: queueOptions.queue,
    sums: optional(
      text({
        value: '<folder>',
        help: 'With --summary: the folder or s3://bucket/folder for the sums of parts of the features, from which an interrupted fit continues. With --queue, all machines reach it (default: the folder sums in the features).',
      }),
    ),
  },
  more: async (argv) => {
    const { methodOptions } = await import('../../classifier/method-options.ts');
    return methodOptions(typedValue(argv, '--method') ?? 'auto');
  },
  computes: 'on-device',
  examples: [
    [
      'tip-adapter fit photos/ -o pets.safetensors',
      'Learns from photos/cat/1.jpg, photos/dog/2.jpg and so on.',
    ],
    [
      'tip-adapter fit photos/ -o pets.safetensors --shots 16 --seed 1',
      'Learns from sixteen pictures of each class.',
    ],
    [
      'tip-adapter fit photos/ -o pets.safetensors --encoder clip-vit-b32',
      'Uses a CLIP, which is downloaded once.',
    ],
    [
      'tip-adapter fit features/ -o cars.safetensors --shots 16',
      'Learns from features that another program made.',
    ],
    [
      'tip-adapter fit features/ -o many.safetensors --summary',
      'Learns from more features than memory holds.',
    ],
    [
      'tip-adapter fit s3://bucket/features/ -o many.safetensors --summary --queue redis://queue.example:6379',
      'Leaves the sums over the features to workers on other machines.',
    ],
    ['tip-adapter fit --help --method gda', 'Lists the options of one method.'],
  ],
  async check(
    [data],
    { output, fromBundle, resume, suspects, queue, sums, strict: _, json: __, yes: ___, ...given },
  ) {
    await checkQueue({ queue, detach: false });
    const needy = queue !== undefined ? 'queue' : sums !== undefined ? 'sums' : undefined;
    if (needy && !given.summary)
      throw noEffect(
        needy,
        'a fit without --summary',
        'Add --summary, which learns from sums over features.',
      );
    if (sums !== undefined && !sums.includes('://')) await checkOutputFolder(sums);
    if (fromBundle !== undefined && given.encoder !== fitOptions.encoder.default) {
      throw noEffect(
        'encoder',
        '--from-bundle',
        'The encoder of the bundle is used. Leave out one of the two.',
      );
    }
    if (given.summary && suspects) {
      throw noEffect(
        'suspects',
        '--summary',
        'The classifier does not keep its examples. Leave out one of the two.',
      );
    }
    await checkOutput(output, [data, fromBundle, given.classes]);
    const { checkGiven } = await import('../../classifier/given.ts');
    const { values, options } = parted(partReading(given).rest);
    checkGiven({ ...values, options, resume, checkpoint: `${output}.training` });
    const { checkEncoderName } = await import('../../encoder/load.ts');
    await checkEncoderName(values.encoder);
  },
  async run(
    [data],
    { output, fromBundle, resume, suspects, queue: redis, sums, strict, json, yes, ...given },
    io,
  ) {
    const started = performance.now();
    const { fit } = await import('../../classifier/index.ts');
    const { reading, rest } = partReading(given);
    const {
      values: { encoder, classes: names, ...values },
      options,
    } = parted(rest);
    // A folder of features that may be larger than the memory is read later, block by block.
    const source = values.summary
      ? data
      : await readTold(data, io, { ...reading, classes: names, strict, askFrom: 2 });
    const pulling = pullBar(io);
    const training = trainingBar(io);
    const queue = redis === undefined ? undefined : await openQueue(redis, false, io);
    const classifier = await withBar(io, 'Encoding', async (bar) => {
      try {
        return await fit(source, {
          ...values,
          ...(typeof source === 'string' && { classes: names }),
          encoder: fromBundle ? await installBundle(fromBundle, io.signal) : encoder,
          options,
          checkpoint: `${output}.training`,
          resume,
          ...((queue || sums !== undefined) && { sumRows: await summing(data, queue, sums) }),
          signal: io.signal,
          note: (line) => io.note(line),
          ask: yes ? async () => true : io.ask,
          onPull: pulling.onPull,
          onProgress: (progress) => {
            pulling.done();
            bar.update(progress);
          },
          onFit: (progress) => {
            bar.done();
            training.onFit(progress);
          },
        });
      } finally {
        pulling.done();
        training.done();
        await queue?.[Symbol.asyncDispose]();
      }
    });
    try {
      const findings = untold(classifier.findings, source);
      tellFindings(io, findings);
      if (strict) refuseWarnings(findings, data);
      const { withLock } = await import('../../store/lock.ts');
      await withLock(`${output}.lock`, () => classifier.save(output), io.signal);
      const { classes, encoder } = classifier.data;
      const { stat } = await import('node:fs/promises');
      const { size } = await stat(output);
      const seconds = (performance.now() - started) / 1000;
      const suspected = suspects ? await suspectsOf(classifier, io) : undefined;
      if (json)
        printJson(io, { ...facts(classifier, output), bytes: size, seconds, suspects: suspected?.suspects });
      else
        io.print([
          `${output}: ${count(classes.length, 'class', 'classes')}, ${count(exampleCount(classifier.data), 'example')}, ` +
            `${bytes(size)}, in ${duration(seconds)}`,
          `${methodText(classifier.data)}, encoder ${encoder.id}`,
          ...(suspected ? suspectedLines(io, suspected) : []),
        ]);
      checkWhole(classifier.data, output);
      const compared = comparedText(classifier.data);
      if (compared) io.note(compared);
      if (!isCalibratedOnAll(classifier.data)) io.note(calibrationText(classifier.data));
      const next = encoder.preprocessing
        ? `predict ${shellWord(output)} new-photo.jpg`
        : `eval ${shellWord(output)} ${shellWord(data)}`;
      io.note(`Next: ${programName()} ${next}`);
      checkAllLearnt(classifier.unread, 'fit/unreadable');
    } finally {
      await classifier.close();
    }
  },
});

/** Sums up the features by the workers of a queue, or in this process, part by part. */
async function summing(features: string, queue: Queue | undefined, sums: string | undefined) {
  const { sumRowsOn } = await import('../../scale/summary-work.ts');
  const { localQueue } = await import('../../scale/local-queue.ts');
  return sumRowsOn(queue ?? localQueue, sums ?? `${features.replace(/\/$/, '')}/sums/`);
}

/** The suspects among the examples. Undefined, with a warning, if no example can be left out. */
async function suspectsOf(classifier: Classifier, io: Io): Promise<ExampleSuspects | undefined> {
  const found = await withBar(io, 'Leaving examples out', (bar) =>
    classifier.suspects({ signal: io.signal, onFit: ({ done, total }) => bar.update({ done, total }) }),
  );
  if (!found) {
    const text =
      'No label can be checked, because no example can be left out: a class needs two examples that are not near-duplicates.';
    io.note({ style: 'yellow', mark: 'warning:', text });
  }
  return found;
}

function suspectedLines(io: Io, { suspects, examples, correct, folds }: ExampleSuspects): Line[] {
  return [
    '',
    `${number(correct)} of ${count(examples, 'example')} are answered by their label if they are left out (${count(folds, 'fold')}).`,
    ...suspectLines(io, suspects),
  ];
}

function facts({ data, calibrated, findings, unread }: Classifier, file: string) {
  const { classes, method, options, encoder, interrupted, tuning, seed } = data;
  return {
    file,
    classes: classes.length,
    examples: exampleCount(data),
    method,
    options,
    interrupted,
    encoder: encoder.id,
    calibrated,
    protocol: tuning.protocol,
    seed,
    compared: tuning.compared,
    findings,
    ...partJson(unread),
  };
}

/** The error after an interrupted training, whose classifier is saved but not finished. */
function checkWhole({ interrupted }: ClassifierData, output: string): void {
  if (!interrupted) return;
  const { epochs, of } = interrupted;
  throw new InterruptedError(
    `Interrupted: ${output} holds the result of ${count(epochs, 'epoch')} of ${number(of)}`,
    {
      hint: 'To continue, run the same command with --resume.',
    },
  );
}

/** The options of `fit` and of the method. */
function parted(given: Readonly<Record<string, unknown>>): {
  values: FitValues;
  options: Record<string, unknown>;
} {
  const isCommon = (name: string) => name in fitOptions;
  return {
    values: only(given, isCommon) as FitValues,
    options: only(given, (name) => !isCommon(name) && given[name] !== undefined),
  };
}

function only(
  values: Readonly<Record<string, unknown>>,
  keep: (name: string) => boolean,
): Record<string, unknown> {
  return Object.fromEntries(Object.entries(values).filter(([name]) => keep(name)));
}

async function installBundle(path: string, signal: AbortSignal): Promise<string> {
  const { unbundle } = await import('../../encoder/bundle.ts');
  return (await unbundle(path, { signal })).record.id;
}
