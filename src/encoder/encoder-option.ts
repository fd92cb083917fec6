import { text } from '../options.ts';

/** The option that chooses an encoder, wherever there is one. */
export const encoderOption = text({
  default: 'auto',
  value: '<name>',
  names: 'encoders',
  help: 'The encoder: a name, hf:owner/repo, a folder, or auto.',
});
