import { render } from 'preact';
import { App } from './app.tsx';
import { connect, unsaved } from './store.ts';
import { bringing } from './upload.ts';

connect();
// Pictures that are on their way, and changes that wait for the program, would be lost with the page.
addEventListener('beforeunload', (event) => {
  if (bringing.value || unsaved.value > 0) event.preventDefault();
});
render(<App />, document.getElementById('app') as HTMLElement);
