import { once } from 'node:events';
import { encoderOption } from '../../encoder/encoder-option.ts';
import { flag, integer, text } from '../../options.ts';
import { jsonText } from '../../printable.ts';
import { count, plural } from '../../words.ts';
import { openBrowser } from '../browser.ts';
import { defineCommand, jsonOption } from '../command.ts';
import { checkOutputFolder } from '../output-checks.ts';
import { withBar } from '../progress-bars.ts';
import { tellFindings, tellSome } from '../tell.ts';

export const studioCommand = defineCommand({
  args: ['[data]'],
  options: {
    workspace: text({
      short: 'w',
      default: 'tip-adapter-studio',
      value: '<folder>',
      help: 'The folder of the session: pictures, classes and every change.',
    }),
    encoder: encoderOption,
    port: integer({
      default: 0,
      max: 65_535,
      help: 'The port on 127.0.0.1. 0 uses the port of the last session, or any free port.',
    }),
    open: flag({ default: true, help: 'Open the page in the browser.' }),
    json: jsonOption,
  },
  computes: 'on-device',
  examples: [
    ['tip-adapter studio', 'Continues the session in this folder, or begins one.'],
    ['tip-adapter studio my-photos/', 'Begins with pictures that are sorted into folders.'],
  ],
  async check(_, { workspace, encoder }) {
    await checkOutputFolder(workspace);
    const { checkEncoderName } = await import('../../encoder/load.ts');
    await checkEncoderName(encoder);
  },
  async run([data], { workspace, encoder, port, open, json }, io) {
    const { checkEncoderSource } = await import('../../encoder/load.ts');
    await checkEncoderSource(encoder, { signal: io.signal });
    const shown = (address: string) => (json ? jsonText({ address }) : address);
    const { startStudio } = await import('../../studio/index.ts');
    const studio = await withBar(io, 'Importing', (bar) =>
      startStudio({
        folder: workspace,
        data,
        encoder,
        port,
        signal: io.signal,
        onProgress: (state) => bar.update(state),
      }),
    ).catch((error) => openAlready(error, data === undefined && encoder === 'auto' && port === 0));
    if (typeof studio === 'string') {
      io.print(shown(studio));
      io.note(`The session in ${workspace} is already open. This is the address of its page:`);
      if (open) openBrowser(studio, io);
      return;
    }
    try {
      tellFindings(io, studio.findings);
      if (studio.unreadable.length > 0) {
        io.note(
          `${count(studio.unreadable.length, 'file')} could not be read and ${plural(studio.unreadable.length, 'is', 'are')} left out:`,
        );
        tellSome(io, studio.unreadable);
      }
      io.announce(shown(studio.address));
      io.note(
        'The studio is open at this address, on this computer only. Ctrl-C closes it; everything is saved.',
      );
      if (open) openBrowser(studio.address, io);
      if (!io.signal.aborted) await once(io.signal, 'abort');
    } finally {
      await studio.close();
    }
  },
});

/** The address of a session that is already open. Rethrows another error, and the error if options ask for more than opening it. */
function openAlready(error: unknown, looksOnly: boolean): string {
  const { code, details } = error as { code?: string; details?: { address?: string } };
  if (code === 'studio/in-use' && details?.address && looksOnly) return details.address;
  throw error;
}
