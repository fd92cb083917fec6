import { serverBackend } from './server-backend.ts';
import { startPage } from './start-page.tsx';

startPage(serverBackend);
