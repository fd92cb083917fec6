import { once } from 'node:events';
import { jsonText } from '../../printable.ts';
import { serverOptions } from '../../server/server-options.ts';
import { defineCommand, jsonOption } from '../command.ts';

export const serveCommand = defineCommand({
  args: ['<classifiers...>'],
  options: { ...serverOptions, json: jsonOption },
  computes: 'on-device',
  examples: [
    [
      'tip-adapter serve pets.safetensors',
      'Serves on this machine only, at http://127.0.0.1:8080/v1/models/pets.',
    ],
    [
      'TIP_ADAPTER_TOKEN=… tip-adapter serve pets=pets-v3.safetensors birds.safetensors --host 0.0.0.0',
      'Serves other machines, which need the token. The first file is served under the name pets.',
    ],
    [
      'tip-adapter serve s3://my-bucket/pets.safetensors',
      'Serves a classifier of an S3-compatible store, and loads it again when it changes.',
    ],
  ],
  async check(given, { token = process.env.TIP_ADAPTER_TOKEN, json: _, ...values }) {
    const { checkServing, modelFile } = await import('../../server/index.ts');
    checkServing({ ...values, token });
    given.forEach(modelFile);
  },
  async run(given, { token = process.env.TIP_ADAPTER_TOKEN, json, ...values }, io) {
    const { boundedWriter, createServer, jsonLog, modelFile } = await import('../../server/index.ts');
    const models = given.map(modelFile);
    const log = jsonLog(boundedWriter(process.stderr));
    const server = await createServer({ ...values, token, models, log });
    try {
      const address = await server.listen();
      io.announce(json ? jsonText({ address }) : address);
      if (!io.signal.aborted) await once(io.signal, 'abort');
    } finally {
      await server.close();
    }
  },
});
