import { flag, text } from '../options.ts';

/** The option `encoder`, which several commands share. */
export const encoderOption = text({
  default: 'auto',
  value: '<name>',
  names: 'encoders',
  help: 'The encoder: a name, hf:owner/repo, a folder, or auto.',
});

/** The option `yes` of commands that may download an encoder. */
export const yesOption = flag({
  help: 'Do not ask before downloading the small CLIP that auto prefers. The variable TIP_ADAPTER_YES has the same effect.',
});
