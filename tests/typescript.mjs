// Makes Node load TypeScript in every thread, because the package's worker threads are .ts files during tests.
import { register } from 'tsx/esm/api';

register();
