import { ModelError } from '../../errors.ts';
import { defineCommand, jsonOption } from '../command.ts';
import { printJson } from '../print.ts';

export const doctorCommand = defineCommand({
  args: [],
  options: { json: jsonOption },
  examples: [['tip-adapter doctor', 'Lists the checks, with a hint for each that fails.']],
  async run(_, { json }, io) {
    const { examine } = await import('../examine.ts');
    const checks = await examine(io.signal);
    if (json) printJson(io, checks);
    else {
      const widest = Math.max(...checks.map(({ name }) => name.length));
      io.print(checks.map(({ state, name, found }) => `${SIGNS[state]}  ${name.padEnd(widest)}  ${found}`));
    }
    const broken = checks.filter(({ state }) => state === 'bad');
    if (broken.length === 0) return;
    throw new ModelError(`Not working: ${broken.map(({ name }) => name).join(', ')}`, {
      code: 'doctor/broken',
      hint: broken.flatMap(({ hint }) => hint ?? []).join(' ') || undefined,
    });
  },
});

const SIGNS = { ok: 'ok  ', note: 'note', bad: 'BAD ' };
