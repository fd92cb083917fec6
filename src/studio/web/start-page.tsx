import { render } from 'preact';
import { type Backend, setBackend } from './api.ts';
import { App } from './app.tsx';
import { connect, unsaved } from './store.ts';
import { bringing } from './upload.ts';

/** Shows the studio with a back end. */
export function startPage(backend: Backend): void {
  setBackend(backend);
  connect();
  // Closing the page would lose pictures that are being uploaded, and changes that the program does not have yet.
  addEventListener('beforeunload', (event) => {
    if (bringing.value || unsaved.value > 0) event.preventDefault();
  });
  render(<App />, document.getElementById('app') as HTMLElement);
}
