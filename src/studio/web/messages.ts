import { computed, effect, signal } from '@preact/signals';
import { en, type Messages } from './messages.en.ts';
import { zh } from './messages.zh.ts';

export const LANGUAGES = { en: 'English', zh: '简体中文' } as const;
export type Language = keyof typeof LANGUAGES;

const STORED = 'tip-adapter.language';

function preferred(): Language {
  const chosen = localStorage.getItem(STORED) ?? navigator.language;
  return chosen.startsWith('zh') ? 'zh' : 'en';
}

export const language = signal<Language>(preferred());
export const messages = computed<Messages>(() => (language.value === 'zh' ? zh : en));

effect(() => {
  localStorage.setItem(STORED, language.value);
  document.documentElement.lang = language.value === 'zh' ? 'zh-Hans' : 'en';
});

/** A share as people read it: `93%`. */
export const percent = (share: number): string => `${Math.round(100 * share)}%`;

/** A size of a file that may be small: `340 kB`, `1.2 MB`. */
export const fileSize = (bytes: number): string =>
  bytes < 1e6 ? `${Math.ceil(bytes / 1e3)} kB` : `${(bytes / 1e6).toPrecision(bytes < 1e7 ? 2 : 3)} MB`;

/** A size of a file: `133 MB`. */
export const megabytes = (bytes: number): string => `${Math.max(1, Math.round(bytes / 1e6))} MB`;
