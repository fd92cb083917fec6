import type { Messages } from './messages-chinese.ts';

let chinese: Messages | undefined;

/** Loads the messages of the page's language. Without them, errors are told in English. */
export async function loadMessages(): Promise<void> {
  if (!isChinese()) return;
  const loaded = await import('./messages-chinese.ts').catch(() => undefined);
  chinese ??= loaded?.CHINESE;
}

/** The message of an error in the page's language, if that is not English. */
export function translated(code: string, details: Record<string, unknown>): string | undefined {
  return isChinese() ? chinese?.[code]?.(details) : undefined;
}

function isChinese(): boolean {
  const page = typeof document === 'object' ? document.documentElement.lang : '';
  return (page || navigator.language).startsWith('zh');
}
