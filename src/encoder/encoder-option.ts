import { text } from '../options.ts';

/** The option `encoder`, which several commands share. */
export const encoderOption = text({
  default: 'auto',
  value: '<name>',
  names: 'encoders',
  help: 'The encoder: a name, hf:owner/repo, a folder, or auto.',
});
