// Writes the reference of every entry of the package as Markdown: node api.mjs <folder>. TypeDoc reads the sources with TypeScript 5.9,
// because it does not support TypeScript 7.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { Application, Converter, ReflectionKind } from 'typedoc';

const root = join(import.meta.dirname, '..');
const { exports } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'));

/** Source files of the entries, by the names of their pages. */
const entries = Object.entries(exports)
  .filter(([, { types }]) => types)
  .map(([entry, { types }]) => [
    entry === '.' ? 'tip-adapter' : entry.slice(2),
    join(root, types.replace('./dist/', 'src/').replace('.d.ts', '.ts')),
  ]);

const app = await Application.bootstrapWithPlugins({
  plugin: ['typedoc-plugin-markdown'],
  entryPoints: entries.map(([, file]) => file),
  tsconfig: join(root, 'tsconfig.build.json'),
  // The sources are checked with the compiler that builds them.
  skipErrorChecking: true,
  excludeInternal: true,
  excludePrivate: true,
  outputs: [{ name: 'markdown', path: process.argv[2] }],
  readme: 'none',
  disableGit: true,
  sourceLinkTemplate: 'https://github.com/tip-adapter/tip-adapter/blob/main/src/{path}#L{line}',
  basePath: root,
  logLevel: 'Warn',
  treatWarningsAsErrors: true,
  validation: { invalidLink: true, notExported: false, notDocumented: false },
  router: 'module',
  entryFileName: 'index',
  hideBreadcrumbs: true,
  hidePageHeader: true,
  pageTitleTemplates: { module: ({ name }) => (name === 'tip-adapter' ? name : `tip-adapter/${name}`) },
  parametersFormat: 'table',
  interfacePropertiesFormat: 'table',
  typeAliasPropertiesFormat: 'table',
  tableColumnSettings: { hideSources: true, hideInherited: true, hideModifiers: true },
});
app.converter.on(Converter.EVENT_RESOLVE_BEGIN, ({ project }) => {
  for (const module of project.getReflectionsByKind(ReflectionKind.Module)) {
    const { fullFileName } = module.sources[0];
    module.name = entries.find(([, file]) => file === fullFileName)[0];
  }
});
const project = await app.convert();
if (project) await app.generateOutputs(project);
if (!project || app.logger.hasErrors() || app.logger.hasWarnings()) process.exitCode = 1;
