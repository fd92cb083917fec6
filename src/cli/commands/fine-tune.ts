import { basename, resolve } from 'node:path';
import { fineTuneOptions } from '../../classifier/fine-tune-options.ts';
import type { FineTunePlan } from '../../classifier/index.ts';
import { partReading, readOptions } from '../../dataset/read-options.ts';
import { flag, text } from '../../options.ts';
import { duration } from '../../report/numbers.ts';
import { count, plural } from '../../words.ts';
import { defineCommand, jsonOption } from '../command.ts';
import { clock, programName, shellWord } from '../format.ts';
import { checkAllLearnt } from '../images.ts';
import type { Io } from '../io.ts';
import { checkOutputFolder } from '../output-checks.ts';
import { partJson, printJson } from '../print.ts';
import { pullBar, trainingBar, withBar } from '../progress-bars.ts';
import { tellFindings } from '../tell.ts';
import { readTold, refuseWarnings, strictOption, untold } from '../told-data.ts';

export const fineTuneCommand = defineCommand({
  args: ['<data>'],
  options: {
    output: text({ short: 'o', value: '<folder>', help: 'The folder to write: a new or empty one.' }),
    ...fineTuneOptions,
    ...readOptions,
    resume: flag({
      help: 'Continue an interrupted training. Pictures and all other options must be the same as before.',
    }),
    strict: strictOption,
    json: jsonOption,
  },
  computes: 'on-device',
  examples: [
    [
      'tip-adapter encoders fine-tune photos/ --encoder ./clip -o ./clip-pets --shots 4',
      'Changes both towers for the classes of photos/, and tells the cost after the first steps.',
    ],
    [
      'tip-adapter fit photos/ -o pets.safetensors --encoder ./clip-pets --method zero-shot',
      'Makes CLIP-LoRA a classifier: the texts of the class names under the fine-tuned encoder.',
    ],
    [
      'tip-adapter encoders fine-tune photos/ --encoder ./clip -o ./clip-pets --towers image --steps 200',
      'Costs less: texts are computed once, and fewer steps are taken.',
    ],
  ],
  async check(_, { output, encoder }) {
    await checkOutputFolder(output);
    const { checkEmptyFolder } = await import('../../encoder/fine-tuned-folder.ts');
    await checkEmptyFolder(output);
    const { checkEncoderName } = await import('../../encoder/load.ts');
    await checkEncoderName(encoder);
  },
  async run([data], { output, resume, strict, json, ...given }, io) {
    const started = performance.now();
    const { fineTune } = await import('../../classifier/fine-tune.ts');
    const { reading, rest } = partReading(given);
    const { classes, ...values } = rest;
    const source = await readTold(data, io, { ...reading, classes, strict, askFrom: 2 });
    const [pulling, training, cost] = [pullBar(io), trainingBar(io), costTeller(io)];
    const made = await withBar(io, 'Reading', async (bar) => {
      try {
        return await fineTune(source, {
          ...values,
          output,
          checkpoint: `${resolve(output)}.training`,
          resume,
          signal: io.signal,
          note: (line) => io.note(line),
          onPull: pulling.onPull,
          onProgress: (progress) => {
            pulling.done();
            bar.update(progress);
          },
          onPlan: (plan) => {
            bar.done();
            const findings = untold(plan.findings, source);
            tellFindings(io, findings);
            if (strict) refuseWarnings(findings, data);
            cost.onPlan(plan);
          },
          onStep: (progress) => {
            cost.onStep(progress);
            training.onFit(progress);
          },
        });
      } finally {
        pulling.done();
        training.done();
      }
    });
    const { folder, parent, licence, fingerprint, pictures, steps, batch, findings, unread } = made;
    const seconds = (performance.now() - started) / 1000;
    if (json)
      printJson(io, {
        ...{ folder, fingerprint, licence, parent, classes: made.classes, pictures, steps, batch, seconds },
        findings,
        ...partJson(unread),
      });
    else
      io.print([
        `${output}: ${count(steps, 'step')} on ${count(pictures, 'picture')} of ${count(made.classes, 'class', 'classes')}, in ${duration(seconds)}`,
        `Made of ${parent.id} (from ${parent.source}), licence ${licence}`,
      ]);
    const name = /[/\\]/.test(output) ? output : `./${output}`;
    io.note(
      `Next: ${programName()} fit ${shellWord(data)} -o ${shellWord(`${basename(output)}.safetensors`)} --encoder ${shellWord(name)} --method zero-shot`,
    );
    checkAllLearnt(unread, 'fit/unreadable');
  },
});

/** Number of steps that the cost is measured on. The first step is not among them, because it allocates memory. */
const MEASURED = 2;

/** Prints the amount of work, and after the first steps the expected time. */
function costTeller(io: Io) {
  let plan: FineTunePlan | undefined;
  let first: { readonly done: number; readonly at: number } | undefined;
  return {
    onPlan(given: FineTunePlan): void {
      plan = given;
      const { steps, batch, pictures, classes } = plan;
      io.note(
        `${count(steps, 'step')} of ${count(batch, 'picture')} and the names of ${count(classes, 'class', 'classes')}, from ${count(pictures, 'picture')}. Ctrl-C stops after the step in progress, and --resume continues.`,
      );
    },
    onStep({ done, total }: { readonly done: number; readonly total: number }): void {
      const now = performance.now();
      first ??= { done, at: now };
      if (done !== first.done + MEASURED || done === total) return;
      const each = (now - first.at) / 1000 / MEASURED;
      const left = total - done;
      io.note(
        `A step takes ${duration(each)}, measured on ${count(MEASURED, 'step')}: ${count(left, 'step')} to come ${plural(left, 'takes', 'take')} about ${clock(left * each)}.`,
      );
    },
  };
}
