import type { Options } from '../options.ts';
import { renderMarkdown } from '../report/table.ts';
import { commonOptions } from './command.ts';
import { commands } from './commands/index.ts';
import { sharedOptions } from './config.ts';
import { EXIT_STATUSES } from './exit-statuses.ts';
import { flagsText, helpText } from './help-text.ts';
import { type TabledCommand, tabledCommands } from './tables.ts';

/** The page docs/cli.md: every command with its options and examples, from the program's tables. */
export async function renderReference(): Promise<string> {
  const sections = (await tabledCommands(commands)).map(section);
  return `${[INTRODUCTION, ...sections, ON_DEVICES, OUTCOME].join('\n\n')}\n`;
}

/** The page docs/methods.md: every method with its paper, its requirements and its options, from the table of methods. */
export async function renderMethods(): Promise<string> {
  const { listMethods } = await import('../methods/index.ts');
  const { TEST_TIME, TRANSDUCTIVE } = await import('../adaptation/index.ts');
  const adapting = [
    ...Object.values(TRANSDUCTIVE).map((method) => ({ ...method, flag: '--together' })),
    ...Object.values(TEST_TIME).map((method) => ({ ...method, flag: '--stream' })),
  ];
  const table = renderMarkdown({
    rows: listMethods(),
    columns: [
      { title: '--method', value: ({ id }) => id },
      { title: 'Name', value: ({ name }) => name },
      { title: 'Paper', value: ({ paper }) => paper },
      { title: 'Needs', value: ({ needs }) => needs.join(', ') },
    ],
  });
  const sections = listMethods()
    .filter(({ options, notes }) => notes !== undefined || Object.keys(options).length > 0)
    .map(({ id, name, notes, options }) =>
      [`### ${name}`, `\`--method ${id}\``, ...(notes ? [notes] : []), optionList(options)].join('\n\n'),
    );
  const withoutLabels = renderMarkdown({
    rows: adapting,
    columns: [
      { title: 'predict', value: ({ flag, id }) => `${flag} --method ${id}` },
      { title: 'Name', value: ({ name }) => name },
      { title: 'Paper', value: ({ paper }) => paper },
      { title: 'Needs', value: ({ needs }) => needs.join(', ') },
    ],
  });
  const adaptingSections = adapting.map(
    ({ flag, id, name, options }) =>
      `### ${name}\n\n\`predict ${flag} --method ${id}\`\n\n${optionList(options)}`,
  );
  return `# Methods

<!-- Made by \`npm run docs\` from the table of methods; edit that. -->

Each method is one file in \`src/methods/\` that follows its paper. CLIP-LoRA changes the encoder and is therefore
[a command of its own](encoders.md#fine-tuning-clip-lora). The defaults are those of the papers, for
CLIP, except where a section or a docstring says otherwise: CLIP-Adapter's optimiser, ReHARK's constants, and the methods and forms that are this package's
own (\`anchored\`, \`whitened\`, \`ridge\`, low rank, sketch, random features). \`fit\` chooses alpha and
beta on left-out examples ([leave-one-shot-out](glossary.md#tuning-and-evaluation)). With one example of each class it uses the encoder's constants. The [whitened centred cosine](whitened.md) is
this package's own method, and its page derives it. [Results](results.md) has the accuracy of most methods.

Notation: f is the feature of a picture and F [n, d] the keys, all of length 1; L [n, c] has the classes of the keys (one-hot), W [c, d] the text head, s is the
logit scale, unit() brings rows to length 1, and CE is the mean cross-entropy. "A new view in each epoch" needs \`--views\`; without it, the plain picture is seen.

${table}

## auto

\`--method auto\`, the default, chooses among the methods by the examples alone, or by the validation split with \`--tune val\`.

1. With one or two examples of each class, left-out examples are too few to compare methods on. The [whitened centred cosine](whitened.md) is taken
   without a search: alone if there are no class names, otherwise its log-odds are averaged with those of the method that is chosen among the others. With one
   example of each class, that method is the text-anchored regression.
2. With more examples, whitened, anchored, proker (only if there are names and fewer examples than dimensions), gda and prototype are compared. Each is fitted to the
   examples without one fold, for at most four folds, and gives probabilities for the left-out examples. A method gets the options with the least mean
   negative log-likelihood (NLL), each candidate with its own temperature.
3. The method with the least NLL is taken. The next best methods join it in a stack, one after the other. A method joins only if it lowers the NLL by more than
   1/q for each number that is fitted for it, with q left-out examples, as in Akaike's criterion. A stack is the weighted mean of log-probabilities (a
   logarithmic opinion pool).
4. The scores of the left-out examples also give the temperature. Tip-Adapter and zero-shot are measured on the same examples, and \`fit\` and
   \`info\` print how the methods did.

\`--training-free\` leaves out the regression. If no example can be left out, whitened is taken. If examples and names span at most half of the
encoder's dimensions, methods are compared in coordinates of that span, which changes no score.

## Tip-Adapter

**Equations.** \`scores = s f W^T + alpha exp(-beta (1 - f F^T)) L\`. The values of a class are summed and not averaged, so an alpha for one number of
shots does not suit another. Tip-Adapter-F trains the keys F by CE on the examples (AdamW, eps 0.0001, weight decay 0.01; the rate falls along a cosine),
while L and W stay as they are.

**Published.** ImageNet with RN50 (zero-shot 60.33%), 1 / 2 / 4 / 8 / 16 shots: Tip-Adapter 60.70 / 60.96 / 60.98 / 61.45 / 62.03%, Tip-Adapter-F 61.32 /
61.69 / 62.52 / 64.00 / 65.51%.

**Different from the authors.** Alpha and beta are chosen on left-out examples and before the training, not on the reported pictures or a validation split
(\`bench --protocol paper\` does as they do). The last epoch is kept, or the best one on the validation split if there is one. The defaults alpha 1 and
beta 5.5 are the best values of the paper's ablation; the authors' code starts from values for each data set.

## Options

\`tip-adapter fit --help --method <id>\` prints the options of a method. If alpha and beta are not given, they are tuned.

${sections.join('\n\n')}

## Without labels

These methods are put on top of any classifier when it answers, and never change it. Those of \`--together\` are transductive: each answer depends on
the other pictures. Those of \`--stream\` adapt at test time: each answer depends on the pictures before it. [Unlabelled pictures](adaptation.md) has
their equations, their published and measured figures, and what is left out here.

${withoutLabels}

${adaptingSections.join('\n\n')}
`;
}

const INTRODUCTION = `# Command line

<!-- Made by \`npm run docs\` from the commands' own tables; edit those. -->

Every command takes \`--help\` (\`tip-adapter help fit\` is the same) and these options:

${optionList(commonOptions)}

\`tip-adapter --version --verbose\` also prints the versions of Node, ONNX Runtime, sharp and libvips, and the installed encoders with their fingerprints.

## The config file

Options that you use often can be put into \`tip-adapter.json\`, or into the field \`tip-adapter\` of \`package.json\`. The program looks for the file in the working
folder and in those above it, up to the folder with \`package.json\`. Outside of a project, it looks in the working folder only.

\`\`\`json
{
  "$schema": "./node_modules/tip-adapter/schema/config.json",
  "encoder": "clip-vit-b32",
  "fit": { "shots": 16, "method": "tip-adapter" },
  "serve": { "port": 9000 },
  "updates": false
}
\`\`\`

- Options at the top (${Object.keys(sharedOptions)
  .map((name) => `\`${name}\``)
  .join(', ')}) are for every command that has them. A section named after a command (\`fit\`,
  \`encoders pull\`) is for that command and takes precedence. Names are those of the library: \`trainingFree\` for \`--training-free\`.
- The command line takes precedence over the config, and the config over the defaults. \`--no-quiet\` turns off a flag that the config sets.
- With \`--verbose\`, a line on stderr names the fields that were used from the config.
- Paths are relative to the config and must stay in its folder. Modules (\`--import\`) are not accepted. A downloaded folder can therefore neither run code nor write elsewhere.
- \`"updates": true\` asks the npm registry for a newer version, at most once a day and for at most a second, and prints a note if there is one.`;

const OUTCOME = `## Output

Results go to stdout; progress, notes, warnings and errors go to stderr. Progress is drawn only on a terminal. \`NO_COLOR\` and
\`FORCE_COLOR\` are respected. With \`--json\`, an error is \`{"error":{"code","message","hint","link"}}\` on stderr. Every command takes
\`--json\`, and the folder \`schema/\` of the package has a JSON Schema of each output: \`schema/predict.json\`, \`schema/encoders-list.json\`, \`schema/error.json\`.

Control characters in names of files and classes never reach a terminal or a log: text and tables show them as escapes such as
\`\\u001b\`. JSON contains the same names exactly, because these are JSON's own escapes. CSV contains names exactly when stdout is a file or
a pipe, and escaped when it is a terminal. CSV cells are data and are not protected against formulas: a spreadsheet may
compute a cell that begins with \`=\`, \`+\`, \`-\` or \`@\`, so import CSV of untrusted file names as text.

${renderMarkdown({
  rows: EXIT_STATUSES,
  columns: [
    { title: 'Exit status', value: ([status]) => status },
    { title: 'Meaning', value: ([, meaning]) => meaning },
  ],
})}

Encoders, stored features, downloads and ONNX Runtime's native build are kept in the folder \`TIP_ADAPTER_HOME\`, or in the cache folder of the platform.`;

const ON_DEVICES = `## Devices

\`--device\` chooses the device that computes; \`tip-adapter doctor\` lists the devices of a machine. Only \`cpu\` is tested on every change; the others
are experimental. If a device cannot be used, one line says why and the CPU replaces it.

| Device | Where | Needs |
| --- | --- | --- |
| cpu | everywhere | nothing; if ONNX Runtime's native build cannot be downloaded, its WebAssembly build computes, several times slower, and one line says so |
| cuda | Linux x64 | CUDA 12 with cuDNN 9, and ONNX Runtime's CUDA libraries: \`npm install onnxruntime-node\`, and \`node node_modules/onnxruntime-node/script/install.js --onnxruntime-node-install=cuda12\` if install scripts are not run. Products are in TF32 unless \`NVIDIA_TF32_OVERRIDE=0\` is set |
| webgpu | Windows, Linux, macOS | a driver for D3D12, Vulkan (\`libvulkan.so.1\`) or Metal |
| coreml | macOS | nothing |`;

function optionList(options: Options): string {
  return Object.entries(options)
    .map(([name, option]) => `- \`${flagsText(name, option)}\` — ${helpText(option)}`)
    .join('\n');
}

function section({ name, summary, command: { args, examples }, options }: TabledCommand): string {
  const entries = Object.entries(options);
  const usage = ['tip-adapter', name, ...args, ...(entries.length > 0 ? ['[options]'] : [])].join(' ');
  const shown = examples.map(([line, does]) => `# ${does}\n${line}`);
  return [
    `## ${name}`,
    summary,
    `\`\`\`text\n${usage}\n\`\`\``,
    ...(entries.length > 0 ? [optionList(options)] : []),
    `\`\`\`shell\n${shown.join('\n\n')}\n\`\`\``,
  ].join('\n\n');
}
