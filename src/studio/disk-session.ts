import { join, resolve } from 'node:path';
import type { Classifier } from '../classifier/classifier.ts';
import { chooseEncoder } from '../encoder/choose.ts';
import { loadEncoder } from '../encoder/load.ts';
import { DEFAULT_CLIP, REGISTRY, type RegisteredEncoder } from '../encoder/registry.ts';
import type { Encoder } from '../encoder/types.ts';
import { sharedEngine } from '../engine/shared.ts';
import { UsageError } from '../errors.ts';
import { createImageLoader } from '../image/loader.ts';
import { writeFileAtomic } from '../store/atomic.ts';
import { takeLock } from '../store/lock.ts';
import { readRegularText } from '../store/regular.ts';
import { openDiskJournal } from './disk-journal.ts';
import { type DiskPictures, openPictures } from './disk-pictures.ts';
import { diskTeacher } from './disk-teacher.ts';
import { PhoneServer } from './phone.ts';
import { Session } from './session.ts';
import type { EncoderStatus, Status } from './status.ts';

export interface SessionOptions {
  /** Folder of the session; made if missing. */
  readonly folder: string;
  /** The name of an encoder, or a loaded encoder, which the caller closes. */
  readonly encoder?: string | Encoder;
  /** Folder of the session's lock and of the file with its URL (default: `folder`). */
  readonly home?: string;
}

/** A session in a folder. */
export class DiskSession extends Session<DiskPictures> {
  /** The server for a phone in the same network, closed until a person opens it. */
  readonly phone: PhoneServer = new PhoneServer(this, () => this.tell());

  /**
   * Opens the session in its last state. Throws `UsageError` `studio/in-use` if another program has the session open, because each would
   * overwrite the other's changes.
   */
  static async open({ folder, encoder = 'auto', home = folder }: SessionOptions): Promise<DiskSession> {
    const lock = await takeLock(join(home, 'session.lock'));
    if (!lock) throw inUse(home, await lastAddress(home));
    const journal = await openDiskJournal(folder).catch(async (error) => {
      await lock.release();
      throw error;
    });
    const loader = createImageLoader();
    const pictures = openPictures(folder, loader);
    return new DiskSession({
      folder: resolve(folder),
      encoder,
      journal,
      pictures,
      upgrade: clipOffer(),
      loadEncoder: async (wanted, options) => {
        const { name } = await chooseEncoder(wanted, { signal: options.signal });
        return loadEncoder(name, { engine: sharedEngine(), ...options });
      },
      createTeacher: (encoder) => diskTeacher(encoder, pictures, loader),
      close: async () => {
        await loader.close();
        await lock.release();
      },
    });
  }

  /** The classifiers of `diskTeacher`. */
  override get answering(): Classifier | undefined {
    return super.answering as Classifier | undefined;
  }

  override get status(): Status {
    return { ...super.status, phone: this.phone.status };
  }

  override watch(listener: (status: Status) => void): () => void {
    const stop = super.watch(listener);
    return () => {
      stop();
      setTimeout(() => !this.isWatched && void this.phone.close(), UNWATCHED).unref();
    };
  }

  override async close(): Promise<void> {
    this.end();
    await this.phone.close();
    await super.close();
  }
}

/** Milliseconds without a page after which the server for a phone is closed: enough to load the page again. */
const UNWATCHED = 10_000;

/** The offer of CLIP when only the built-in encoder is on this machine. */
function clipOffer(): EncoderStatus {
  const { id, megabytes, licence, repo } = REGISTRY.find(
    ({ id }) => id === DEFAULT_CLIP,
  ) as RegisteredEncoder;
  return { state: 'offered', id, bytes: megabytes * 1e6, licence, source: repo };
}

/** The file with the URL at which a folder's session was last served. */
const addressFile = (folder: string) => join(folder, 'address');

export async function lastAddress(folder: string): Promise<string | undefined> {
  const text = await readRegularText(addressFile(folder), { area: 'studio', limit: 2 ** 12 }).catch(
    () => undefined,
  );
  return text && URL.canParse(text) ? text : undefined;
}

export async function rememberAddress(folder: string, address: string): Promise<void> {
  await writeFileAtomic(addressFile(folder), Buffer.from(address));
}

function inUse(folder: string, address?: string): UsageError {
  return new UsageError(`The session in ${folder} is open already`, {
    code: 'studio/in-use',
    hint: address ? `Its page is at ${address}.` : 'Close the other studio, or give another --workspace.',
    details: { folder, address },
  });
}
