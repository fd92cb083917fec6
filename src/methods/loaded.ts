import type { Method } from './method.ts';

/** The loaded methods by id: built-in and registered ones. */
const loaded = new Map<string, Method>();

/** Keeps methods that are loaded. */
export function keepLoaded(methods: readonly Method[]): void {
  for (const method of methods) loaded.set(method.id, method);
}

/** All loaded methods, in the order of loading. */
export function loadedMethods(): Method[] {
  return [...loaded.values()];
}

/** Returns the method with this id if it is loaded. */
export function methodIfLoaded(id: string): Method | undefined {
  return loaded.get(id);
}

/** Returns the method of a classifier. Whoever read or fitted the classifier has loaded it. */
export function loadedMethod(id: string): Method {
  const method = loaded.get(id);
  if (method) return method;
  throw new Error(`the method ${id} is not loaded`);
}
