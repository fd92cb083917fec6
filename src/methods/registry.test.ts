import { expect, it, vi } from 'vitest';

// Test files of one process share modules, and others load all methods.
vi.resetModules();
const { loadedMethods, methodIfLoaded } = await import('./loaded.ts');
const { isBuiltIn, loadMethod, methodIds, registerMethod } = await import('./registry.ts');

const loadedIds = () =>
  loadedMethods()
    .map(({ id }) => id)
    .sort();

it('loads only the method of a classifier, and those that a stack is made of', async () => {
  expect(loadedIds()).toEqual([]);
  await loadMethod('constructor', {});
  expect(loadedIds()).toEqual([]);
  await loadMethod('gda', { parts: { ridge: {} } });
  expect(loadedIds()).toEqual(['gda']);
  await loadMethod('stack', { parts: { 'class-balance': {}, prototype: {} } });
  expect(loadedIds()).toEqual(['class-balance', 'gda', 'prototype', 'stack']);
});

it('refuses another method with the id of a built-in one that is not loaded', async () => {
  const other = { ...methodIfLoaded('gda')!, id: 'clap' };
  expect(() => registerMethod(other)).toThrow(expect.objectContaining({ code: 'method/taken' }));
});

it('a stack refuses a state with a part whose method is not loaded', async () => {
  const prepared = methodIfLoaded('stack')!.prepare({ 'timo.share': 1, 'timo.sharpness': 1 }, {} as never);
  expect(() => [...(prepared as Iterable<unknown>)]).toThrow('the method of timo.share is not loaded');
});

it('knows every method of the list, in the same order', async () => {
  const { listMethods } = await import('./list.ts');
  const listed = listMethods().map(({ id }) => id);
  expect(listed).toEqual(methodIds());
  expect(loadedIds()).toEqual([...listed, 'class-balance', 'stack'].sort());
  expect(loadedIds().filter((id) => !isBuiltIn(id))).toEqual([]);
});
