import type { ListedCommand } from '../command.ts';

/** Summaries of the groups of commands, by their first word. */
export const groups: Readonly<Record<string, string>> = {
  encoders: 'List, download, show, remove, fine-tune and bundle encoders.',
  data: 'Show what a data set holds, and check public data sets.',
};

/** Every command, in the order in which a user needs them. */
export const commands: readonly ListedCommand[] = [
  {
    name: 'demo',
    summary: 'Show what the program does, on sample pictures or on your own.',
    load: async () => (await import('./demo.ts')).demoCommand,
  },
  {
    name: 'init',
    summary: 'Make a first classifier: ask for photos, encoder and purpose, and run the commands.',
    load: async () => (await import('./init.ts')).initCommand,
  },
  {
    name: 'fit',
    summary:
      'Fit a classifier to labelled pictures: a folder with a folder for each class, a CSV or JSONL table, or a zip.',
    load: async () => (await import('./fit.ts')).fitCommand,
  },
  {
    name: 'predict',
    summary: 'Classify pictures: files, folders, patterns, or - for paths on stdin.',
    load: async () => (await import('./predict.ts')).predictCommand,
  },
  {
    name: 'embed',
    summary: 'Write the features of pictures or texts into a folder; fit, eval and bench read them back.',
    load: async () => (await import('./embed.ts')).embedCommand,
  },
  {
    name: 'eval',
    summary: 'Measure a classifier on labelled pictures: on the test split, if there is one.',
    load: async () => (await import('./eval.ts')).evalCommand,
  },
  {
    name: 'compare',
    summary: 'Measure two classifiers on the same pictures, and show the pictures with different answers.',
    load: async () => (await import('./compare.ts')).compareCommand,
  },
  {
    name: 'explain',
    summary: 'Explain an answer: the parts of its score, and the examples that count most.',
    load: async () => (await import('./explain.ts')).explainCommand,
  },
  {
    name: 'studio',
    summary: 'Open the studio, a page on this computer to collect pictures, teach a classifier and try it.',
    load: async () => (await import('./studio.ts')).studioCommand,
  },
  {
    name: 'serve',
    summary: 'Serve classifiers over HTTP: predict, explain, and add examples.',
    load: async () => (await import('./serve.ts')).serveCommand,
  },
  {
    name: 'export',
    summary:
      'Write a classifier as an ONNX model, as a web page that works without a network, or as a model card.',
    load: async () => (await import('./export.ts')).exportCommand,
  },
  {
    name: 'push',
    summary: 'Put a classifier on the Hugging Face hub, with a model card and an ONNX model.',
    load: async () => (await import('./push.ts')).pushCommand,
  },
  {
    name: 'bench',
    summary:
      'Compare methods, numbers of examples and draws on pictures or features; a run can be interrupted and continued.',
    load: async () => (await import('./bench.ts')).benchCommand,
  },
  {
    name: 'worker',
    summary: 'Compute shards of the runs that wait in Redis. Start a worker on each machine.',
    load: async () => (await import('./worker.ts')).workerCommand,
  },
  {
    name: 'jobs',
    summary: 'Show the runs in Redis, with the shards that failed; try these again, or cancel a run.',
    load: async () => (await import('./jobs.ts')).jobsCommand,
  },
  {
    name: 'data show',
    summary: 'Show what is read from labelled pictures: classes, splits, and what is left out and why.',
    load: async () => (await import('./data-show.ts')).dataShowCommand,
  },
  {
    name: 'data check',
    summary: 'Check which public data sets a folder holds, which files they lack, and where to get these.',
    load: async () => (await import('./data.ts')).dataCheckCommand,
  },
  {
    name: 'add',
    summary: 'Add examples or classes to a classifier: labelled data, or pictures with --label.',
    load: async () => (await import('./add-remove.ts')).addCommand,
  },
  {
    name: 'remove',
    summary: 'Remove examples or classes from a classifier.',
    load: async () => (await import('./add-remove.ts')).removeCommand,
  },
  {
    name: 'info',
    summary: 'Print the contents of a classifier file.',
    load: async () => (await import('./info.ts')).infoCommand,
  },
  {
    name: 'encoders list',
    summary: 'List the known encoders and those on this machine.',
    load: async () => (await import('./encoders.ts')).listCommand,
  },
  {
    name: 'encoders pull',
    summary: 'Download an encoder; an interrupted download continues where it stopped.',
    load: async () => (await import('./encoders.ts')).pullCommand,
  },
  {
    name: 'encoders show',
    summary: 'Print size, source and licence of an encoder.',
    load: async () => (await import('./encoders.ts')).showCommand,
  },
  {
    name: 'encoders remove',
    summary: 'Remove an encoder from this machine.',
    load: async () => (await import('./encoders.ts')).removeCommand,
  },
  {
    name: 'encoders fine-tune',
    summary: 'Fine-tune a CLIP from weights on labelled pictures (CLIP-LoRA), as an encoder of its own.',
    load: async () => (await import('./fine-tune.ts')).fineTuneCommand,
  },
  {
    name: 'encoders bundle',
    summary: 'Put an encoder, and a classifier if one is given, into a zip for a machine without a network.',
    load: async () => (await import('./encoders.ts')).bundleCommand,
  },
  {
    name: 'doctor',
    summary: 'Check whether this machine has what the program needs.',
    load: async () => (await import('./doctor.ts')).doctorCommand,
  },
  {
    name: 'completions',
    summary: 'Print a script that completes command lines of this program in bash, zsh, fish or PowerShell.',
    load: async () => (await import('./completions.ts')).completionsCommand,
  },
  {
    name: 'help',
    summary: 'Print the help of a command.',
    load: async () => (await import('./help.ts')).helpCommand,
  },
];
