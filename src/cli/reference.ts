import type { Options } from '../options.ts';
import { renderMarkdown } from '../report/table.ts';
import { commonOptions, optionsOf } from './command.ts';
import { commands, type ListedCommand } from './commands/index.ts';
import { flagsText, helpText } from './wording.ts';

/** The page docs/cli.md: every command with its options and examples, from the tables that drive the program itself. */
export async function renderReference(): Promise<string> {
  const sections = await Promise.all(commands.map(section));
  return `${[INTRODUCTION, ...sections, ON_DEVICES, OUTCOME].join('\n\n')}\n`;
}

/** The page docs/methods.md: every method with its paper, what it needs and its options, from the table of methods. */
export async function renderMethods(): Promise<string> {
  const { methods } = await import('../methods/index.ts');
  const options = (table: Options) =>
    Object.entries(table).map(
      ([name, { default: value }]) => `${name}${value === undefined ? '' : ` ${value}`}`,
    );
  const table = renderMarkdown({
    rows: methods,
    columns: [
      { title: '--method', value: ({ id }) => id },
      { title: 'Name', value: ({ name }) => name },
      { title: 'Paper', value: ({ paper }) => paper },
      { title: 'Needs', value: ({ needs }) => needs.join(', ') },
      { title: 'Options and defaults', value: (method) => options(method.options).join(', ') || 'none' },
    ],
  });
  return `# Methods

<!-- Made by \`node scripts/docs.mjs\` from the table of methods; edit that. -->

One file each in \`src/methods/\`, reading like its paper. The defaults are the papers', for CLIP; \`fit\` chooses alpha and beta by
leave-one-shot-out where it can, and takes the encoder's own constants where it cannot (one example a class).

${table}
`;
}

const INTRODUCTION = `# Command line

<!-- Made by \`node scripts/docs.mjs\` from the commands' own tables; edit those. -->

Every command takes \`--quiet\` (${commonOptions.quiet.help}), \`--verbose\` (${commonOptions.verbose.help}) and \`--help\`.`;

const OUTCOME = `## What comes out

Results go to stdout; progress, notes, warnings and errors go to stderr. Progress is drawn only on a terminal. \`NO_COLOR\` and
\`FORCE_COLOR\` are respected. With \`--json\`, an error is \`{"error":{"code","message","hint"}}\` on stderr.

${renderMarkdown({
  rows: [
    [0, 'done'],
    [1, 'unexpected error'],
    [2, 'wrong usage: an unknown option, a value out of range'],
    [3, 'wrong data: an unreadable picture, a missing folder'],
    [4, 'classifier file or encoder wrong or missing'],
    [130, 'interrupted; what was encoded is kept and the same command goes on from there'],
  ],
  columns: [
    { title: 'Exit status', value: ([status]) => status },
    { title: 'Meaning', value: ([, meaning]) => meaning },
  ],
})}

Encoders, cached features, downloads and ONNX Runtime's native build are kept in \`TIP_ADAPTER_HOME\`, else in the platform's cache folder.`;

const ON_DEVICES = `## Devices

\`--device\` chooses what computes; \`tip-adapter doctor\` tells which devices there are. Only \`cpu\` is tested on every change; the others are
experimental. Where a device refuses, one line says why and the CPU does the work.

| Device | Where | Needs |
| --- | --- | --- |
| cpu | everywhere | nothing; where ONNX Runtime's native build cannot be had, its WebAssembly build computes, several times slower, and one line says so |
| cuda | Linux x64 | CUDA 12 with cuDNN 9, and ONNX Runtime's part for it, which comes with its package: \`npm install onnxruntime-node\`, and \`node node_modules/onnxruntime-node/script/install.js --onnxruntime-node-install=cuda12\` where scripts are not run. Products are in TF32 unless \`NVIDIA_TF32_OVERRIDE=0\` is set |
| webgpu | Windows, Linux, macOS | a driver for D3D12, Vulkan (\`libvulkan.so.1\`) or Metal |
| coreml | macOS | nothing |`;

async function section({ name, summary, load }: ListedCommand): Promise<string> {
  const command = await load();
  const { args, examples } = command;
  const entries = Object.entries(optionsOf(command));
  const usage = ['tip-adapter', name, ...args, ...(entries.length > 0 ? ['[options]'] : [])].join(' ');
  const lines = entries.map(([option, given]) => `- \`${flagsText(option, given)}\` — ${helpText(given)}`);
  const shown = examples.map(([line, does]) => `# ${does}\n${line}`);
  return [
    `## ${name}`,
    summary,
    `\`\`\`\n${usage}\n\`\`\``,
    ...(lines.length > 0 ? [lines.join('\n')] : []),
    `\`\`\`sh\n${shown.join('\n\n')}\n\`\`\``,
  ].join('\n\n');
}
