import { readFileSync } from 'node:fs';
import { join, posix } from 'node:path';
import { parseSync } from 'vite';
import { TYPESCRIPT, tsc } from './tsc.ts';

const root = join(import.meta.dirname, '..');
const { exports } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'));

/** The declarations of each entry of the package, by its name. Entries for pages have the suffix `(browser)`. */
export const ENTRIES: Readonly<Record<string, string>> = Object.fromEntries(
  Object.entries<{ types?: string; browser?: { types: string } }>(exports).flatMap(
    ([entry, { types, browser }]) => [
      ...(types ? [[entry, types.replace('./dist/', '')]] : []),
      ...(browser ? [[`${entry} (browser)`, browser.types.replace('./dist/', '')]] : []),
    ],
  ),
);

/** Writes the declarations of the package, as the build does. `npm run check` has checked the types. */
export function emitDeclarations(folder: string): void {
  for (const project of ['tsconfig.build.json', 'src/web/tsconfig.json']) {
    const options = ['--noEmit', 'false', '--noCheck', '--emitDeclarationOnly', '--outDir', folder];
    const printed = tsc(TYPESCRIPT, ['-p', project, ...options]);
    if (printed) throw new Error(printed);
  }
}

/** The used fields of a node of a syntax tree. */
interface Node {
  readonly type: string;
  readonly start: number;
  readonly [key: string]: unknown;
}

/** The contents of a file of declarations. Names of other files are not resolved yet. */
interface Module {
  readonly text: string;
  /** Declarations of each name. Overloads, and a type and a value with the same name, have several. */
  readonly declared: Map<string, { node: Node; start: number }[]>;
  readonly imported: Map<string, Place>;
  readonly exported: Map<string, Place>;
  /** Files whose exports are all exported again. */
  readonly all: string[];
}

/** A name in a file. */
interface Place {
  readonly file: string;
  readonly name: string;
}

/** A name that can be imported from the package, with the place of its declaration. */
export interface PublicName extends Place {
  readonly entry: string;
  readonly exported: string;
}

/** The declarations of a built package, from the entries in `exports` of its package.json. */
export class Declarations {
  readonly #folder: string;
  readonly #modules = new Map<string, Module>();
  readonly names: readonly PublicName[];

  constructor(folder: string, entries: Readonly<Record<string, string>> = ENTRIES) {
    this.#folder = folder;
    this.names = Object.entries(entries).flatMap(([entry, file]) =>
      this.#exportsOf(file).map(({ exported, ...place }) => ({ entry, exported, ...place })),
    );
  }

  /** Types of the package that a public declaration uses but no entry exports: `Method names AutoRole of methods/method.d.ts`. */
  unexported(): string[] {
    const isPublic = new Set(this.names.map(keyOf));
    return this.#distinct().flatMap((place) =>
      this.#named(place)
        .filter((other) => !isPublic.has(keyOf(other)))
        .map((other) => `${place.name} names ${other.name} of ${other.file}`),
    );
  }

  /** Public names without a docstring. */
  undocumented(): string[] {
    return this.#distinct()
      .filter(({ file, name }) => {
        const { declared, text } = this.#module(file);
        return !declared.get(name)?.some(({ start }) => text.slice(0, start).trimEnd().endsWith('*/'));
      })
      .map(({ file, name }) => `${name} of ${file}`);
  }

  #distinct(): PublicName[] {
    return [...new Map(this.names.map((name) => [keyOf(name), name])).values()];
  }

  #named({ file, name }: Place): Place[] {
    const { declared } = this.#module(file);
    return (declared.get(name) ?? []).flatMap(({ node }) =>
      [...references(node, file)].flatMap((place) => {
        const target = place.file === file ? this.#declaration(place) : this.#resolve(place);
        if (!target || keyOf(target) === keyOf({ file, name })) return [];
        // The type of a value need not be exported, but the types in it must be.
        return place.ofValue ? this.#named(target) : [target];
      }),
    );
  }

  /** The place where a name used in a file is declared. Undefined for names of the language, a platform or another package. */
  #declaration({ file, name }: Place): Place | undefined {
    const { declared, imported } = this.#module(file);
    if (declared.has(name)) return { file, name };
    const from = imported.get(name);
    return from && this.#resolve(from);
  }

  /** The place where a name that a file exports is declared. */
  #resolve({ file, name }: Place): Place | undefined {
    return this.#exportsOf(file).find(({ exported }) => exported === name);
  }

  #exportsOf(file: string): (Place & { exported: string })[] {
    const { exported, all } = this.#module(file);
    const own = [...exported].flatMap(([name, place]) => {
      const target = place.file === file ? this.#declaration(place) : this.#resolve(place);
      return target ? [{ exported: name, ...target }] : [];
    });
    return [...own, ...all.flatMap((other) => this.#exportsOf(other))];
  }

  #module(file: string): Module {
    const known = this.#modules.get(file);
    if (known) return known;
    const module = read(readFileSync(join(this.#folder, file), 'utf8'), file);
    this.#modules.set(file, module);
    return module;
  }
}

const keyOf = ({ file, name }: Place) => `${file}#${name}`;

function read(text: string, file: string): Module {
  const module: Module = { text, declared: new Map(), imported: new Map(), exported: new Map(), all: [] };
  const { program, errors } = parseSync(file, text);
  if (errors.length > 0) throw new Error(`${file}: ${errors[0]!.message}`);
  const declare = (node: Node, start: number): string[] => {
    const names = namesOf(node);
    for (const name of names)
      module.declared.set(name, [...(module.declared.get(name) ?? []), { node, start }]);
    return names;
  };
  for (const node of program.body as unknown as Node[]) {
    const source = node.source as { value: string } | null | undefined;
    const from = source ? fileOf(source.value, file) : file;
    if (node.type === 'ImportDeclaration') {
      for (const { local, imported } of node.specifiers as Specifier[])
        if (from) module.imported.set(nameOf(local), { file: from, name: nameOf(imported ?? local) });
    } else if (node.type === 'ExportAllDeclaration') {
      if (from) module.all.push(from);
    } else if (node.type === 'ExportNamedDeclaration') {
      if (node.declaration)
        for (const name of declare(node.declaration as Node, node.start))
          module.exported.set(name, { file, name });
      for (const { local, exported } of node.specifiers as Specifier[])
        if (from) module.exported.set(nameOf(exported), { file: from, name: nameOf(local) });
    } else declare(node, node.start);
  }
  return module;
}

interface Specifier {
  readonly local: Node;
  readonly imported?: Node;
  readonly exported: Node;
}

const nameOf = (node: Node) => (node.name ?? node.value) as string;

/** The declarations of a relative import. Undefined for another package. */
function fileOf(source: string, from: string): string | undefined {
  if (!source.startsWith('.')) return undefined;
  return posix.join(posix.dirname(from), source).replace(/\.[jt]s$/, '.d.ts');
}

function namesOf(node: Node): string[] {
  if (node.id) return [nameOf(node.id as Node)];
  return ((node.declarations ?? []) as { id: Node }[]).map(({ id }) => nameOf(id));
}

/** The names that a declaration uses as types or by `typeof`, from its own file or imported inline. */
function* references(value: unknown, file: string): Generator<Place & { ofValue?: boolean }> {
  if (Array.isArray(value)) for (const each of value) yield* references(each, file);
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return;
  const node = value as Node;
  const name = NAMING[node.type]?.map((key) => leftmost(node[key] as Node | null)).find(Boolean);
  if (node.type === 'TSImportType') {
    const from = fileOf((node.source as { value: string }).value, file);
    const qualifier = leftmost(node.qualifier as Node | null);
    if (from && qualifier) yield { file: from, name: qualifier };
  } else if (name) yield { file, name, ofValue: node.type === 'TSTypeQuery' };
  for (const child of Object.values(node)) yield* references(child, file);
}

/** For each kind of node that names a type or the type of a value: the key of the name. */
const NAMING: Readonly<Record<string, readonly string[]>> = {
  TSTypeReference: ['typeName'],
  TSTypeQuery: ['exprName'],
  TSInterfaceHeritage: ['expression'],
  TSClassImplements: ['expression'],
  ClassDeclaration: ['superClass'],
};

function leftmost(node: Node | null): string | undefined {
  if (node?.type === 'Identifier') return node.name as string;
  return node?.type === 'TSQualifiedName' ? leftmost(node.left as Node) : undefined;
}
