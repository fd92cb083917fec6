import { isOnHub } from '../../classifier/classifier-file.ts';
import { exampleCount } from '../../classifier/example-counts.ts';
import type { Classifier, Failure } from '../../classifier/index.ts';
import { givenReading, type ReadValues, readOptions } from '../../dataset/read-options.ts';
import type { Dataset } from '../../dataset/types.ts';
import { UsageError } from '../../errors.ts';
import { isImagePath } from '../../image/image-paths.ts';
import { optional, text, texts } from '../../options.ts';
import { count } from '../../words.ts';
import { defineCommand, jsonOption, noEffect } from '../command.ts';
import { checkAllLearnt, findImages } from '../images.ts';
import type { Io } from '../io.ts';
import { withClassifier } from '../open-classifier.ts';
import { checkOutput } from '../output-checks.ts';
import { partJson, printJson } from '../print.ts';
import { withBar } from '../progress-bars.ts';
import { tellFindings } from '../tell.ts';
import { readTold, untold } from '../told-data.ts';

const output = optional(
  text({
    short: 'o',
    value: '<file>',
    help: 'Write the result to this file instead of replacing the classifier.',
  }),
);

export const addCommand = defineCommand({
  args: ['<classifier>', '<data...>'],
  computes: 'on-cpu',
  options: {
    label: optional(
      text({ value: '<class>', help: 'The class of all given pictures. A new name adds a class.' }),
    ),
    output,
    ...readOptions,
    json: jsonOption,
  },
  examples: [
    ['tip-adapter add pets.safetensors more-photos/', 'Adds labelled pictures, in any form that fit takes.'],
    [
      'tip-adapter add pets.safetensors hamster/*.jpg --label hamster',
      'Adds pictures of one class. A new name adds a class.',
    ],
  ],
  async check([path, ...given], { label, output: file, json: _, ...reading }) {
    if (label === undefined) checkData(given);
    const { followLinks: _links, zipEncoding: _encoding, ...ofTables } = reading;
    const idle = label === undefined ? undefined : givenReading(ofTables);
    if (idle)
      throw noEffect(idle, '--label', 'It says how labelled data are read. Leave out one of the two.');
    await checkOutput(targetOf(path, file), given);
  },
  async run([path, ...given], { label, output: file, json, ...reading }, io) {
    const target = targetOf(path, file);
    const { images = [], unread = [] } = label === undefined ? {} : await imagesToAdd(given, io, reading);
    const source = label === undefined ? await readTold(given[0], io, reading) : undefined;
    const added = source ?? images.map((image) => ({ image, label: label as string }));
    await updateClassifier({ path, target, json, unread, source }, io, (classifier) =>
      withBar(io, 'Encoding', (bar) => classifier.add(added, { signal: io.signal, onProgress: bar.update })),
    );
  },
});

export const removeCommand = defineCommand({
  args: ['<classifier>'],
  computes: 'on-cpu',
  options: {
    example: optional(
      texts({
        value: '<id>',
        help: 'Id of an example, as info --json lists it. Give several to remove several.',
      }),
    ),
    class: optional(
      texts({ value: '<name>', help: 'Id or name of a class. Give several to remove several.' }),
    ),
    output,
    json: jsonOption,
  },
  examples: [
    ['tip-adapter remove pets.safetensors --class hamster', 'Removes a class with all its examples.'],
    ['tip-adapter remove pets.safetensors --example cat/blurred.jpg', 'Removes one example.'],
  ],
  async check([path], { example, class: classes, output: file }) {
    if (!example && !classes) {
      throw new UsageError('Neither a class nor an example to remove is given', {
        code: 'usage',
        hint: 'Add --class <name> or --example <id>, each as often as needed.',
      });
    }
    await checkOutput(targetOf(path, file), []);
  },
  async run([path], { example, class: classes, output: file, json }, io) {
    const target = targetOf(path, file);
    await updateClassifier({ path, target, json }, io, (classifier) =>
      classifier.remove({ examples: example, classes }, { signal: io.signal }),
    );
  },
});

/** The file that a change is written to. Throws `UsageError` for a classifier on the hub without `--output`. */
function targetOf(path: string, output: string | undefined): string {
  if (output !== undefined) return output;
  if (!isOnHub(path)) return path;
  throw new UsageError(`${path} is on the hub, where it is not changed`, {
    code: 'usage',
    hint: 'Add --output <file>. tip-adapter push puts the file on the hub.',
  });
}

/** Throws `UsageError` for pictures without a class. */
function checkData(given: readonly [string, ...string[]]): void {
  if (given.length > 1 || isImagePath(given[0])) {
    throw new UsageError('The class of the pictures is not given', {
      code: 'add/label',
      hint: 'Add --label <class>, or give one data set: a folder with a folder for each class, a table or a zip, or a folder of features.',
    });
  }
}

async function imagesToAdd(
  given: readonly string[],
  io: Io,
  { followLinks, zipEncoding }: Partial<ReadValues>,
) {
  const found = await findImages(given, io, { followLinks, zipEncoding });
  if (found.images.length === 0) throw found.unread[0]!.error;
  for (const { error } of found.unread) io.note({ style: 'yellow', mark: 'warning:', text: error.message });
  return found;
}

/**
 * Applies an update under a lock, because of two updates at the same time one would be lost. After the file is written, throws
 * `PartialError` if something could not be read: the files in `unread`, or files that the update names.
 */
async function updateClassifier(
  { path, target, json, unread: given, source }: Update,
  io: Io,
  act: (classifier: Classifier) => Promise<Classifier>,
): Promise<void> {
  const { withLock } = await import('../../store/lock.ts');
  const work = () =>
    withClassifier(path, io, async (before) => {
      const after = await act(before);
      await after.save(target);
      tellFindings(io, source === undefined ? after.findings : untold(after.findings, source));
      return { before: sizesOf(before), after: sizesOf(after), unread: [...(given ?? []), ...after.unread] };
    });
  const { before, after, unread } = await withLock(`${target}.lock`, work, io.signal);
  const change = {
    classes: after.classes - before.classes,
    examples: after.examples - before.examples,
  };
  if (json) printJson(io, { file: target, ...after, change, ...(given && partJson(unread)) });
  else
    io.print(
      `${target}: ${count(after.classes, 'class', 'classes')}${signed(change.classes)}, ` +
        `${count(after.examples, 'example')}${signed(change.examples)}`,
    );
  checkAllLearnt(unread, 'add/unreadable');
}

interface Update {
  readonly path: string;
  readonly target: string;
  readonly json: boolean;
  /** Files and folders that could not be read on the way to the pictures. Absent if no pictures are added. */
  readonly unread?: readonly Failure[];
  /** The labelled data that are added, whose findings are printed already. */
  readonly source?: Dataset | string;
}

const sizesOf = ({ data }: Classifier) => ({ classes: data.classes.length, examples: exampleCount(data) });

function signed(change: number): string {
  return change === 0 ? '' : ` (${change > 0 ? '+' : '−'}${Math.abs(change)})`;
}
