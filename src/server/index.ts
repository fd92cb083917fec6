export { boundedWriter, jsonLog, type Log } from './log.ts';
export { type ModelFile, modelFile } from './model-registry.ts';
export { checkServing, createServer, type Server, type ServerOptions } from './server.ts';
export { type ServerValues, serverOptions } from './server-options.ts';
