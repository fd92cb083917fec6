import { once } from 'node:events';
import { encoderOption } from '../../encoder/encoder-option.ts';
import { UsageError } from '../../errors.ts';
import { flag, integer, optional, text } from '../../options.ts';
import { jsonText } from '../../printable.ts';
import { count, plural } from '../../words.ts';
import { openBrowser } from '../browser.ts';
import { defineCommand, jsonOption, noEffect } from '../command.ts';
import { bytes } from '../format.ts';
import type { Io } from '../io.ts';
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
      help: 'The folder of the project: pictures, classes and every change.',
    }),
    encoder: encoderOption,
    export: optional(
      text({
        value: '<folder>',
        help: 'Write the studio as a site for a static host, which needs no program, and exit. The encoder (--encoder: a name, or the URL of an exported one; default: the built-in one) is part of the site. docs/studio.md says what it can do.',
      }),
    ),
    samples: flag({
      default: true,
      help: 'Put the sample pictures into the site of --export. The first export downloads them (22 MB).',
    }),
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
    ['tip-adapter studio --export site/', 'Writes the studio as a site for a static host.'],
    ['tip-adapter studio my-photos/', 'Begins with pictures that are sorted into folders.'],
  ],
  async check(data, { workspace, encoder, export: site }, typed) {
    if (site === undefined && typed.includes('samples'))
      throw noEffect('no-samples', 'a session on this computer', 'Leave it out, or give --export.');
    if (site !== undefined) {
      const idle = ['workspace', 'port', 'open'].find((option) => typed.includes(option));
      if (idle) throw noEffect(idle, '--export', 'It is about a session on this computer. Leave it out.');
      return checkExport(data, site, encoder);
    }
    await checkOutputFolder(workspace);
    const { checkEncoderName } = await import('../../encoder/load.ts');
    await checkEncoderName(encoder);
  },
  async run([data], { workspace, encoder, export: site, samples, port, open, json }, io) {
    if (site !== undefined) return writeSite(site, { encoder, samples, json }, io);
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
      io.note(`The studio in ${workspace} is already open. This is the address of its page:`);
      io.print(shown(studio));
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

async function checkExport([data]: readonly [string?], site: string, encoder: string): Promise<void> {
  if (data !== undefined) {
    throw new UsageError('The data has no effect with --export: a site begins without pictures', {
      code: 'option/no-effect',
      hint: 'Leave out the data. Pictures are added in the page.',
      details: { data },
    });
  }
  await checkOutputFolder(site);
  if (/^https?:/i.test(encoder)) return;
  const { checkEncoderName } = await import('../../encoder/load.ts');
  await checkEncoderName(encoder);
}

/** Writes the studio as a site. Without a named encoder it has the built-in one, which every reader of the page can download fast. */
async function writeSite(
  site: string,
  { encoder, samples, json }: { encoder: string; samples: boolean; json: boolean },
  io: Io,
): Promise<void> {
  const { exportStudio } = await import('../../studio/index.ts');
  const { files } = await exportStudio(site, {
    encoder: encoder === 'auto' ? undefined : encoder,
    samples: samples ? undefined : false,
    signal: io.signal,
  });
  const size = files.reduce((total, file) => total + file.bytes, 0);
  io.print(
    json
      ? jsonText({ folder: site, size, files })
      : `${site}: ${count(files.length, 'file')}, ${bytes(size)}`,
  );
  io.note(
    'Upload the folder to a host with https, or serve it on this computer. Pictures stay in the browser of each person.',
  );
}

/** The address of a session that is already open. Rethrows another error, and the error if options ask for more than opening it. */
function openAlready(error: unknown, looksOnly: boolean): string {
  const { code, details } = error as { code?: string; details?: { address?: string } };
  if (code === 'studio/in-use' && details?.address && looksOnly) return details.address;
  throw error;
}
