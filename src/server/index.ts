export { boundedWriter, jsonLog, type Log } from './log.ts';
export { type ServerValues, serverOptions } from './options.ts';
export { type ModelFile, modelFile } from './registry.ts';
export { checkServing, createServer, type Server, type ServerOptions } from './server.ts';
