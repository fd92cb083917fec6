import { messages } from '../messages.ts';
import { startPage } from '../start-page.tsx';
import { localBackend } from './local-backend.ts';

/** The mark of a page that was loaded again for its service worker. */
const LOADED_AGAIN = 'tip-adapter.loaded-again';

/**
 * Starts the service worker, which gives the page its files without a network, its stored pictures, and threads. The first visit is loaded
 * again once, because a page that was loaded without the service worker has none of them.
 */
async function start(): Promise<void> {
  if (!navigator.serviceWorker || !navigator.storage?.getDirectory || !navigator.locks)
    throw new Error(messages.value.noStorage);
  const { installing } = await navigator.serviceWorker.register('./service-worker.js');
  const refused = new Promise<never>((_, reject) => {
    installing?.addEventListener('statechange', () => {
      if (installing.state === 'redundant') reject(new Error(messages.value.incomplete));
    });
  });
  await Promise.race([navigator.serviceWorker.ready, refused]);
  if (navigator.serviceWorker.controller) {
    sessionStorage.removeItem(LOADED_AGAIN);
    startPage(localBackend(new URL('./', location.href).href));
  } else if (!sessionStorage.getItem(LOADED_AGAIN)) {
    sessionStorage.setItem(LOADED_AGAIN, 'yes');
    location.reload();
  } else throw new Error(messages.value.noStorage);
}

start().catch((error: Error) => {
  const app = document.getElementById('app') as HTMLElement;
  app.append(
    Object.assign(document.createElement('p'), { className: 'notice warning', textContent: error.message }),
  );
});
