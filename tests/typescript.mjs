// Teaches Node, in every thread, to load the product's TypeScript: its worker threads are .ts files during tests.
import { register } from 'tsx/esm/api';

register();
