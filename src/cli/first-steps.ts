import { existsSync } from 'node:fs';
import { readdir } from 'node:fs/promises';
import { basename, join, relative, resolve } from 'node:path';
import { readDataset } from '../dataset/read.ts';
import type { Dataset } from '../dataset/types.ts';
import { BUILTIN_ID } from '../encoder/builtin/packages.ts';
import { checkEncoderName } from '../encoder/load.ts';
import { DEFAULT_CLIP, REGISTRY } from '../encoder/registry.ts';
import { InterruptedError, TipAdapterError, UsageError } from '../errors.ts';
import { isImagePath } from '../image/image-paths.ts';
import { suggestion } from '../nearest.ts';
import { count } from '../words.ts';
import type { Program } from './command.ts';
import { programName, shellWord } from './format.ts';
import { PartialError } from './images.ts';
import type { Io } from './io.ts';
import { printJson } from './print.ts';

/** The purposes of a first classifier. */
export const USES = ['try', 'serve', 'page'] as const;
type Use = (typeof USES)[number];

const USE_CHOICES: Readonly<Record<Use, string>> = {
  try: 'classify pictures here',
  serve: 'answer other programs over HTTP',
  page: 'one HTML file that classifies pictures in a browser',
};

/** The answers from the command line. The others are asked for, or have defaults. */
interface Given {
  readonly data?: string;
  readonly encoder?: string;
  readonly use?: Use;
  readonly output?: string;
}

/** Makes the commands for a first classifier: asks for missing answers, shows the commands, and runs them if the user agrees. */
export async function firstSteps(
  given: Given,
  { yes, json }: { yes: boolean; json: boolean },
  io: Io,
  program: Program,
): Promise<void> {
  const silent = yes || json;
  if (!silent && !io.prompt) {
    throw new UsageError('init asks questions, but there is no terminal for the answers', {
      code: 'init/no-terminal',
      hint: 'Add --yes to use the defaults, or --json to print the commands.',
    });
  }
  const answers = await answered(given, silent ? undefined : io.prompt, io);
  const lines = linesOf(answers, yes);
  if (json) return printJson(io, { commands: lines.map((line) => ['tip-adapter', ...line]) });
  io.print(['The commands:', ...lines.map((line) => `  ${typed(line)}`)]);
  if (!silent && !(await agrees(io))) return io.note('Nothing was run.');
  const partial: PartialError[] = [];
  for (const line of lines) {
    io.print(['', `$ ${typed(line)}`]);
    await program.run(line, io).catch((error) => {
      if (!(error instanceof PartialError)) throw error;
      partial.push(error);
    });
  }
  if (lines.some(([name]) => name === 'explain'))
    io.note('This picture is one of the examples: only new ones show how good the classifier is.');
  if (partial[0]) throw partial[0];
}

type Answers = Required<Omit<Given, 'data'>> & { readonly data: string; readonly dataset: Dataset };

async function answered(given: Given, prompt: Io['prompt'], io: Io): Promise<Answers> {
  const folder = given.data ?? (await photosHere());
  if (folder === undefined && !prompt) throw noPhotos();
  const { value: data, checked: dataset } = await ask('Where are the photos, a folder for each class?', {
    given: given.data,
    preset: folder ?? '',
    prompt,
    io,
    check: async (path) => {
      const found = await readDataset(path, { signal: io.signal });
      io.note(
        `${count(found.classes.length, 'class', 'classes')}, ${count(found.examples.length, 'picture')}.`,
      );
      return found;
    },
  });
  const { value: encoder } = await ask('Which encoder?', {
    choices: {
      auto: `a CLIP that is installed, or a small one (a download of ${REGISTRY.find(({ id }) => id === DEFAULT_CLIP)?.megabytes} MB), or else the built-in encoder`,
      [BUILTIN_ID]: 'the built-in encoder, which is not CLIP',
    },
    given: given.encoder,
    preset: 'auto',
    prompt,
    io,
    check: checkEncoderName,
  });
  const { checked: use } = await ask('What is it for?', {
    choices: USE_CHOICES,
    given: given.use,
    preset: 'try',
    prompt,
    io,
    check: useNamed,
  });
  const { value: output } = await ask('Which file for the classifier?', {
    given: given.output,
    preset: freeName(basename(resolve(data)).replace(/\.\w+$/, '') || 'classifier'),
    prompt,
    io,
    check: async () => {},
  });
  return { data, dataset, encoder, use, output };
}

/** The given value, or the answer to a question, which is repeated until the answer is valid. */
async function ask<T>(
  question: string,
  {
    choices = {},
    given,
    preset,
    prompt,
    io,
    check,
  }: {
    choices?: Readonly<Record<string, string>>;
    given: string | undefined;
    preset: string;
    prompt: Io['prompt'];
    io: Io;
    check(answer: string): T | Promise<T>;
  },
): Promise<{ value: string; checked: T }> {
  if (given !== undefined || !prompt) {
    const value = given ?? preset;
    return { value, checked: await check(value) };
  }
  const widest = Math.max(...Object.keys(choices).map((name) => name.length));
  for (const [name, about] of Object.entries(choices)) io.note(`  ${name.padEnd(widest)}  ${about}`);
  for (;;) {
    const value = await prompt(question, preset);
    if (value === undefined) throw new InterruptedError('Interrupted', { hint: 'Nothing was run.' });
    try {
      if (value !== '') return { value, checked: await check(value) };
    } catch (error) {
      if (!(error instanceof TipAdapterError) || error instanceof InterruptedError) throw error;
      io.tell({ style: 'red', mark: 'error:', text: error.message });
      if (error.hint) io.tell({ style: 'cyan', mark: 'hint:', text: error.hint });
    }
  }
}

async function agrees({ prompt }: Io): Promise<boolean> {
  return /^y(es)?$/i.test((await prompt?.('Run them now?', 'yes')) ?? 'no');
}

function linesOf({ data, dataset, encoder, use, output }: Answers, yes: boolean): string[][] {
  const chosen = encoder === 'auto' ? (yes ? ['--yes'] : []) : ['--encoder', encoder];
  const fit = ['fit', data, '-o', output, ...chosen];
  switch (use) {
    case 'serve':
      return [fit, ['serve', output]];
    case 'page':
      return [fit, ['export', output, '--to', 'web']];
    case 'try':
      return [fit, trial(dataset, data, output)];
  }
}

/** The command to try a classifier: an evaluation if there are test pictures, else a prediction for one picture. */
function trial({ examples }: Dataset, data: string, output: string): string[] {
  const picture = examples.find(({ path }) => path !== undefined)?.path;
  const isTested = examples.some(({ split }) => split === 'test');
  return isTested || picture === undefined
    ? ['eval', output, data]
    : ['explain', output, relative(process.cwd(), picture)];
}

const typed = (line: readonly string[]) => [programName(), ...line.map(shellWord)].join(' ');

/** A folder in the working folder that has two folders with pictures. */
async function photosHere(): Promise<string | undefined> {
  for (const folder of await foldersIn('.')) {
    let classes = 0;
    for (const inner of await foldersIn(folder)) {
      const files = await readdir(join(folder, inner)).catch(() => []);
      if (files.some(isImagePath) && ++classes === 2) return folder;
    }
  }
  return undefined;
}

async function foldersIn(folder: string): Promise<string[]> {
  const entries = await readdir(folder, { withFileTypes: true }).catch(() => []);
  return entries
    .filter((entry) => entry.isDirectory() && !/^\.|^node_modules$/.test(entry.name))
    .map(({ name }) => name)
    .sort();
}

function freeName(name: string): string {
  for (let n = 1; ; n++) {
    const file = `${name}${n > 1 ? `-${n}` : ''}.safetensors`;
    if (!existsSync(file)) return file;
  }
}

function useNamed(answer: string): Use {
  const use = USES.find((known) => known === answer);
  if (use) return use;
  throw new UsageError(`It cannot be "${answer}"`, {
    code: 'option/value',
    hint: `${suggestion(answer, USES)}Answer ${USES.join(', ')}.`,
  });
}

function noPhotos(): UsageError {
  return new UsageError('There is no folder of photos in this folder', {
    code: 'init/no-photos',
    hint: 'Name one: tip-adapter init photos/ --yes. It has a folder for each class, with pictures in it.',
  });
}
