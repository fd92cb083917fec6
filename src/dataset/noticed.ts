import { InterruptedError, TipAdapterError } from '../errors.ts';
import type { Tree } from './tree.ts';
import type { Finding } from './types.ts';
import { noticedTables } from './unmarked.ts';
import { unusedFiles } from './unused-files.ts';

/** Adds the findings about a tree to an error that ended its reading, in `details.findings`. */
export async function addNoticed(error: unknown, tree: Tree): Promise<void> {
  if (!(error instanceof TipAdapterError) || error instanceof InterruptedError) return;
  const tables = await noticedTables(tree);
  const findings: Finding[] = [
    ...tree.findings,
    ...tables.findings,
    ...unusedFiles(tree, { pictures: [], classIds: [], layout: '', findings: [] }, tables.files),
  ];
  const isNew = ({ message }: Finding) => !error.message.includes(message.replace(/\.$/, ''));
  if (findings.some(isNew)) error.details.findings = findings.filter(isNew);
}
