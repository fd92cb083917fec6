import { listMethods } from '../methods/index.ts';
import { type Option, type Options, optional } from '../options.ts';
import { fitOptions } from './fit-options.ts';

/**
 * The options of methods, for a command line that names this method. The options of other methods are hidden, and giving one is an error
 * that names the methods which have it. An option that is left out has the method's default.
 */
export function methodOptions(id: string): Options {
  const found: Record<string, Option> = {};
  const named = listMethods().find((method) => method.id === id);
  for (const name of ['alpha', 'beta'] as const)
    if (named && !(name in named.options)) found[name] = { ...fitOptions[name], hidden: true };
  for (const { id: other, options } of listMethods()) {
    for (const [name, option] of Object.entries(options)) {
      const isOwn = other === id;
      if (!isOwn && (name in fitOptions || name in found)) continue;
      const { default: preset, help, ...rest } = option;
      const isNumber = typeof preset === 'number' || typeof preset === 'string';
      const text = isNumber ? `${help.replace(/\.$/, '')} (default: ${preset}).` : help;
      found[name] = optional({ ...rest, help: text, isOn: preset === true, hidden: !isOwn });
    }
  }
  return found;
}
