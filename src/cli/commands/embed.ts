import { givenReading, readOptions } from '../../dataset/read-options.ts';
import { UsageError } from '../../errors.ts';
import { optional, text } from '../../options.ts';
import { duration } from '../../report/numbers.ts';
import type { EmbedOptions } from '../../scale/embed.ts';
import { checkUnlabelled, embedOptions } from '../../scale/embed-options.ts';
import type { EmbedTextsOptions } from '../../scale/embed-texts.ts';
import { isHubData, isStreamed } from '../../store/store-address.ts';
import { count, number } from '../../words.ts';
import { defineCommand, firstGiven, jsonOption, noEffect } from '../command.ts';
import { programName, shellWord } from '../format.ts';
import { PartialError } from '../images.ts';
import type { Io } from '../io.ts';
import { checkOutputFolder } from '../output-checks.ts';
import { printJson } from '../print.ts';
import { pullBar, withBar } from '../progress-bars.ts';
import {
  barState,
  checkQueue,
  openQueue,
  queueOptions,
  tellLeftOut,
  tellSubmitted,
} from '../queue-options.ts';
import { readTold, strictOption, tellData } from '../told-data.ts';

export const embedCommand = defineCommand({
  args: ['[data]'],
  options: {
    output: text({
      short: 'o',
      value: '<folder>',
      help: 'The folder to write: a new or empty one, or that of an earlier run, which is continued.',
    }),
    ...embedOptions,
    classes: optional(text({ value: '<file>', help: 'A file that names the classes: CSV, JSON or text.' })),
    texts: optional(
      text({ value: '<file>', help: 'Embed the lines of this text file instead of pictures.' }),
    ),
    ...readOptions,
    ...queueOptions,
    strict: strictOption,
    json: jsonOption,
  },
  computes: 'on-device',
  examples: [
    [
      'tip-adapter embed photos/ -o features/',
      'Writes the features of all photos, with their classes and splits.',
    ],
    ['tip-adapter fit features/ -o pets.safetensors', 'Learns from them as from the photos.'],
    [
      'tip-adapter embed photos/ -o features/ --format parquet --dtype float16',
      'Writes Parquet files with numbers of 16 bits.',
    ],
    ['tip-adapter embed archive.zip -o features/ --unlabelled', 'Takes pictures without classes.'],
    ['tip-adapter embed --texts captions.txt -o captions/', 'Writes the features of texts.'],
  ],
  async check([data], { output, texts, queue, detach, unlabelled, exif, classes, strict, ...values }) {
    await checkQueue({ queue, detach });
    if ((data === undefined) === (texts === undefined)) {
      throw new UsageError(
        data === undefined ? 'There are no data to embed' : 'Pictures and --texts exclude each other',
        { code: 'usage', hint: 'Give the path of pictures, or --texts with a file of texts.' },
      );
    }
    const { columns, crop, margin, followLinks, zipEncoding, limit } = values;
    const reading = { columns, crop, margin, followLinks, zipEncoding, limit };
    if (texts !== undefined) {
      const others = { queue, unlabelled, 'no-exif': !exif, classes, strict };
      const idle = givenReading(reading) ?? firstGiven(others);
      if (idle) throw noEffect(idle, '--texts', 'It is about pictures. Leave it out.');
    } else if (unlabelled) {
      checkUnlabelled(data, { ...reading, classes });
      if (strict && isStreamed(data))
        throw noEffect(
          'strict',
          `pictures ${isHubData(data) ? 'on the hub' : 'in a store'} without classes`,
          'Nothing is checked about them before the work.',
        );
    }
    if (!output.includes('://')) await checkOutputFolder(output);
  },
  async run([data], { output, texts, strict, json, ...given }, io) {
    const started = performance.now();
    const {
      columns,
      crop,
      margin,
      followLinks,
      zipEncoding,
      limit,
      classes,
      queue: redis,
      detach,
      ...values
    } = given;
    const how = { columns, crop, margin, followLinks, zipEncoding, limit, classes };
    const seconds = () => (performance.now() - started) / 1000;
    if (texts !== undefined) {
      const { encoder, format, dtype } = values;
      const result = await embedLines(texts, { output, encoder, format, dtype }, io);
      if (json) return printJson(io, { folder: output, ...result, seconds: seconds() });
      const { dimension } = result;
      return io.print([
        `${output}: ${count(result.texts, 'text')} as ${count(dimension, 'number')} each, in ${duration(seconds())}`,
        `Encoder ${result.encoder}`,
      ]);
    }
    const source = data!;
    const { embed, submitEmbed, unlabelledData } = await import('../../scale/embed.ts');
    const dataset =
      values.unlabelled && isStreamed(source)
        ? source
        : values.unlabelled
          ? await unlabelledData(source, { followLinks, zipEncoding, signal: io.signal })
          : await readTold(source, io, { ...how, strict, askFrom: 1 });
    if (typeof dataset === 'string' && !values.unlabelled) throw alreadyFeatures(source);
    if (typeof dataset !== 'string' && values.unlabelled) await tellData(dataset, io, { strict });
    const pulling = pullBar(io);
    const queue = redis === undefined ? undefined : await openQueue(redis, detach, io);
    const options: EmbedOptions = {
      ...{ ...how, ...values, output, queue, signal: io.signal, ask: io.ask, onPull: pulling.onPull },
      note: (line) => io.note(line),
    };
    const done = await withBar(io, detach ? 'Listing' : 'Encoding', async (bar) => {
      options.onProgress = (progress) => {
        pulling.done();
        bar.update(barState(progress));
      };
      try {
        if (queue && detach) return await submitEmbed(dataset, { ...options, queue });
        return await embed(dataset, options);
      } finally {
        pulling.done();
        await queue?.[Symbol.asyncDispose]();
      }
    });
    tellLeftOut(done, io);
    if ('run' in done) {
      if (json) return printJson(io, { folder: output, ...done });
      return tellSubmitted(done, { output, redis: redis! }, io);
    }
    const summary = done;
    const { pictures, failures, dimension, encoder, before } = summary;
    if (json) printJson(io, { folder: output, ...summary, seconds: seconds() });
    else
      io.print([
        `${output}: ${count(pictures - failures, 'picture')} as ${count(dimension, 'number')} each, ${
          before ? 'written by an earlier run' : `in ${duration(seconds())}`
        }`,
        `Encoder ${encoder}`,
      ]);
    if (!values.unlabelled)
      io.note(`Next: ${programName()} fit ${shellWord(output)} -o classifier.safetensors`);
    if (failures > 0)
      throw new PartialError(`${number(failures)} of ${count(pictures, 'picture')} could not be read`, {
        code: 'embed/unreadable',
        hint: `${output.replace(/\/*$/, '')}/failures.csv names them. The features of the others are written.`,
      });
  },
});

async function embedLines(
  path: string,
  options: Pick<EmbedTextsOptions, 'output' | 'encoder' | 'format' | 'dtype'>,
  io: Io,
) {
  const { embedTexts } = await import('../../scale/embed-texts.ts');
  const { readRegularText } = await import('../../store/regular.ts');
  const lines = (await readRegularText(path, { area: 'embed' })).split(/\r?\n/);
  const texts = lines.filter((line) => line.trim() !== '');
  const pulling = pullBar(io);
  return withBar(io, 'Embedding', (bar) =>
    embedTexts(texts, {
      ...{ ...options, signal: io.signal, ask: io.ask, onPull: pulling.onPull },
      note: (line) => io.note(line),
      onProgress: bar.update,
    }).finally(pulling.done),
  );
}

function alreadyFeatures(source: string): UsageError {
  return new UsageError(`${source} holds features, not pictures`, {
    code: 'embed/features',
    hint: 'Give the pictures, or use the features as they are: fit, eval and bench read them.',
  });
}
