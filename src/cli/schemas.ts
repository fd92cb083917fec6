import { z } from 'zod';
import { methodOptions } from '../classifier/method-options.ts';
import type { Options } from '../options.ts';
import { commands } from './commands/index.ts';
import { settings, sharedOptions } from './config.ts';
import { helpText } from './help-text.ts';
import { errorOutput, outputSchemas, versionOutput } from './output-schemas.ts';
import { listedOptions, tabledCommands } from './tables.ts';

const ROOT = 'https://raw.githubusercontent.com/tip-adapter/tip-adapter/main/schema';

/** The files of the folder schema/: for the config, for the output of each command under `--json`, and for errors. */
export async function renderSchemas(): Promise<Readonly<Record<string, string>>> {
  const outputs = Object.entries(outputSchemas).map(([name, schema]) =>
    file(name.replace(' ', '-'), `What tip-adapter ${name} --json prints`, z.toJSONSchema(schema)),
  );
  return Object.fromEntries([
    file('config', 'A config of tip-adapter', await configSchema()),
    file('error', 'An error of tip-adapter under --json, on stderr', z.toJSONSchema(errorOutput)),
    file('version', 'What tip-adapter --version --json prints', z.toJSONSchema(versionOutput)),
    ...outputs,
  ]);
}

function file(
  name: string,
  title: string,
  { $schema, ...schema }: object & { $schema?: unknown },
): [string, string] {
  const whole = { $schema, $id: `${ROOT}/${name}.json`, title, ...schema };
  return [`${name}.json`, `${JSON.stringify(whole, null, 2)}\n`];
}

async function configSchema() {
  const tabled = await tabledCommands(commands);
  const sections = tabled.map((one): [string, object] => {
    const { import: _, ...options } = listedOptions(one);
    // A method's own options are checked after the method is chosen.
    const ofMethods = one.name === 'fit' ? Object.entries(methodOptions('auto')) : [];
    const properties = {
      ...Object.fromEntries(ofMethods.map(([name, { help }]) => [name, { description: help }])),
      ...propertiesOf(options),
    };
    return [one.name, { description: one.summary, ...objectOf(properties) }];
  });
  return {
    $schema: 'https://json-schema.org/draft/2020-12/schema',
    ...objectOf({ ...propertiesOf({ ...settings, ...sharedOptions }), ...Object.fromEntries(sections) }),
  };
}

const objectOf = (properties: object) => ({ type: 'object', properties, additionalProperties: false });

function propertiesOf(options: Options): object {
  return Object.fromEntries(
    Object.entries(options).map(([name, option]) => {
      const { $schema: _, ...schema } = z.toJSONSchema(option.schema, { io: 'output' });
      return [
        name,
        { description: option.value || option.choices ? helpText(option) : option.help, ...schema },
      ];
    }),
  );
}
