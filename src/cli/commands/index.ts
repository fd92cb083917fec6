import type { Command } from '../command.ts';

/** A command by name. What it takes and does is loaded when it is asked for, so that the program starts fast. */
export interface ListedCommand {
  /** As typed: `fit`, `encoders pull`. */
  readonly name: string;
  /** One sentence in plain words. */
  readonly summary: string;
  load(): Promise<Command>;
}

/** Every command, in the order in which a person meets them. */
export const commands: readonly ListedCommand[] = [
  {
    name: 'demo',
    summary: 'Show what the program does, on sample pictures or on your own.',
    load: async () => (await import('./demo.ts')).demoCommand,
  },
  {
    name: 'fit',
    summary:
      'Fit a classifier to labelled pictures: a folder of class folders, a CSV or JSONL table, or a zip.',
    load: async () => (await import('./fit.ts')).fitCommand,
  },
  {
    name: 'predict',
    summary: 'Say what is in pictures: files, folders, patterns, or - for paths on stdin.',
    load: async () => (await import('./predict.ts')).predictCommand,
  },
  {
    name: 'eval',
    summary: 'Measure a classifier on labelled pictures (the test split, where there is one).',
    load: async () => (await import('./eval.ts')).evalCommand,
  },
  {
    name: 'compare',
    summary: 'Judge two classifiers by the same pictures, and show those on which they differ.',
    load: async () => (await import('./compare.ts')).compareCommand,
  },
  {
    name: 'explain',
    summary: 'Say why a picture gets its answer: what the class names say, and which examples count most.',
    load: async () => (await import('./explain.ts')).explainCommand,
  },
  {
    name: 'studio',
    summary: 'Open the studio, a page to collect pictures, teach and try, on this computer.',
    load: async () => (await import('./studio.ts')).studioCommand,
  },
  {
    name: 'serve',
    summary: 'Answer other programs over HTTP: what is in pictures, and why; teach further examples.',
    load: async () => (await import('./serve.ts')).serveCommand,
  },
  {
    name: 'export',
    summary: 'Make an ONNX model of a classifier, or a page that works without a network.',
    load: async () => (await import('./export.ts')).exportCommand,
  },
  {
    name: 'bench',
    summary:
      'Compare methods, numbers of examples and draws on pictures or features; a run can be stopped and resumed.',
    load: async () => (await import('./bench.ts')).benchCommand,
  },
  {
    name: 'data check',
    summary: 'Say which public data sets lie in a folder, what of them is missing, and where to get it.',
    load: async () => (await import('./data.ts')).dataCheckCommand,
  },
  {
    name: 'add',
    summary: 'Teach a classifier further examples or classes: labelled data, or pictures with --label.',
    load: async () => (await import('./change.ts')).addCommand,
  },
  {
    name: 'remove',
    summary: 'Make a classifier forget examples or classes.',
    load: async () => (await import('./change.ts')).removeCommand,
  },
  {
    name: 'info',
    summary: 'Say what a classifier file holds.',
    load: async () => (await import('./info.ts')).infoCommand,
  },
  {
    name: 'encoders list',
    summary: 'List the encoders that have names, and those on this machine.',
    load: async () => (await import('./encoders.ts')).listCommand,
  },
  {
    name: 'encoders pull',
    summary: 'Bring an encoder onto this machine; a download that was cut goes on where it stopped.',
    load: async () => (await import('./encoders.ts')).pullCommand,
  },
  {
    name: 'encoders show',
    summary: 'Say what is known of an encoder.',
    load: async () => (await import('./encoders.ts')).showCommand,
  },
  {
    name: 'encoders remove',
    summary: 'Remove an encoder from this machine.',
    load: async () => (await import('./encoders.ts')).removeCommand,
  },
  {
    name: 'encoders bundle',
    summary: 'Put an encoder, and a classifier if you like, into one zip for a machine without a network.',
    load: async () => (await import('./encoders.ts')).bundleCommand,
  },
  {
    name: 'doctor',
    summary: 'Check that this machine has what the program needs.',
    load: async () => (await import('./doctor.ts')).doctorCommand,
  },
];
