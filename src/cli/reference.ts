import { renderMarkdown } from '../report/table.ts';
import { commonOptions } from './command.ts';
import { commands, type ListedCommand } from './commands/index.ts';
import { flagsText, helpText } from './wording.ts';

/** The page docs/cli.md: every command with its options and examples, from the tables that drive the program itself. */
export async function renderReference(): Promise<string> {
  const sections = await Promise.all(commands.map(section));
  return `${[INTRODUCTION, ...sections, OUTCOME].join('\n\n')}\n`;
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

Encoders, cached features and downloads are kept in \`TIP_ADAPTER_HOME\`, else in the platform's cache folder.`;

async function section({ name, summary, load }: ListedCommand): Promise<string> {
  const { args, options, examples } = await load();
  const entries = Object.entries(options);
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
