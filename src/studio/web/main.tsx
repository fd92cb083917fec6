import { render } from 'preact';
import { App } from './app.tsx';
import { bringing } from './bring-in.ts';
import { connect, unsaved } from './store.ts';

connect();
// Pictures that are on their way, and changes that wait for the program, would be lost with the page.
addEventListener('beforeunload', (event) => {
  if (bringing.value || unsaved.value > 0) event.preventDefault();
});
render(<App />, document.getElementById('app') as HTMLElement);
