export function documents(): Map<string, string>;
export function linkFaults(texts: ReadonlyMap<string, string>, exists?: (path: string) => boolean): string[];
export function siteFaults(folder: string, base: string): string[];
