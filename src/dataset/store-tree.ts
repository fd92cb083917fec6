import { posix } from 'node:path';
import { outage } from '../store/object-store.ts';
import { openStore } from '../store/open-store.ts';
import { archiveTree } from './archive-tree.ts';
import type { Tree } from './tree.ts';

/** The objects of a store as files. All their names are in memory. */
export async function storeTree(address: string, signal?: AbortSignal): Promise<Tree> {
  const store = openStore(address);
  const tags = new Map<string, { tag?: string; size?: number }>();
  for await (const { key, tag, size } of store.list('', { signal })) tags.set(key, { tag, size });
  const archive = {
    entries: Array.from(tags.keys(), (name) => ({ name })),
    skipped: [],
    tagOf(name: string) {
      const { tag, size } = tags.get(name) ?? {};
      return tag && `${size} ${tag}`;
    },
    read: (key: string) =>
      store.read(key, { tag: tags.get(key)?.tag }).catch((error) => {
        throw outage(error);
      }),
  };
  const tree = await archiveTree(store.address, 'store', archive, signal);
  const name = posix.basename(new URL(store.address).pathname) || new URL(store.address).hostname;
  return { ...tree, name, root: store.address };
}
