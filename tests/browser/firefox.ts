import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { connect, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

const PYTHON = '/usr/bin/python3';
const DRAG_SOURCE = join(import.meta.dirname, 'drag-source.py');
const SIZE = { width: 1600, height: 1000 };

const works = (command: string, ...args: string[]): boolean => {
  try {
    execFileSync(command, args, { stdio: 'ignore' });
    return true;
  } catch {
    return false;
  }
};

const firefox = ['/usr/bin/firefox-esr', '/usr/bin/firefox'].find((path) => existsSync(path));

/** For the titles of tests that are skipped without a Firefox, a display, and a pointer. Empty if all are there. */
export const firefoxMissing = [
  !firefox && 'Firefox',
  !existsSync('/usr/bin/Xvfb') && 'Xvfb',
  !existsSync('/usr/bin/xdotool') && 'xdotool',
  !works(PYTHON, '-c', 'import gi; gi.require_version("Gtk", "3.0")') && 'GTK for Python',
]
  .filter(Boolean)
  .join(', ');

const PREFERENCES = {
  'marionette.port': 0,
  'browser.shell.checkDefaultBrowser': false,
  'datareporting.policy.dataSubmissionEnabled': false,
  'app.update.enabled': false,
};

type Point = readonly [x: number, y: number];

/**
 * A Firefox on a display of its own, with the pointer of that display. WebDriver's pointer begins a drag in Firefox, but its release causes
 * no drop event. The display's pointer drags as a person does, also files from the window of another program.
 */
export class Firefox {
  readonly #profile = mkdtempSync(join(tmpdir(), 'firefox-'));
  readonly #children: ChildProcess[] = [];
  readonly #waiting = new Map<
    number,
    (answer: { error: { message: string } | null; value: unknown }) => void
  >();
  #environment: NodeJS.ProcessEnv = process.env;
  #socket!: Socket;
  #asked = 0;

  static async open(url: string): Promise<Firefox> {
    const opened = new Firefox();
    try {
      await opened.#start();
      await opened.#ask('WebDriver:NewSession');
      await opened.#ask('WebDriver:SetWindowRect', {
        x: 0,
        y: 0,
        width: SIZE.width - 100,
        height: SIZE.height,
      });
      await opened.#ask('WebDriver:Navigate', { url });
      return opened;
    } catch (error) {
      await opened.close();
      throw error;
    }
  }

  async #start(): Promise<void> {
    const screen = `${SIZE.width}x${SIZE.height}x24`;
    const display = this.#spawn('Xvfb', ['-displayfd', '1', '-screen', '0', screen]);
    const [number] = await once(display.stdout!, 'data');
    this.#environment = { ...process.env, DISPLAY: `:${String(number).trim()}`, GDK_BACKEND: 'x11' };
    writeFileSync(
      join(this.#profile, 'user.js'),
      Object.entries(PREFERENCES)
        .map(([name, value]) => `user_pref("${name}", ${value});\n`)
        .join(''),
    );
    this.#spawn(firefox!, ['--marionette', '--no-remote', '--profile', this.#profile]);
    const file = join(this.#profile, 'MarionetteActivePort');
    for (let tries = 0; !existsSync(file) && tries < 600; tries++) await pause(50);
    this.#socket = connect(Number(readFileSync(file, 'utf8')), '127.0.0.1');
    await new Promise<void>((greeted) => this.#listen(greeted));
  }

  #spawn(command: string, args: readonly string[]): ChildProcess {
    const child = spawn(command, args, { stdio: ['ignore', 'pipe', 'ignore'], env: this.#environment });
    this.#children.push(child);
    return child;
  }

  /** Messages of Marionette, Firefox's protocol for WebDriver: JSON after its length in bytes and a colon. */
  #listen(onGreeting: () => void): void {
    let received = Buffer.alloc(0);
    this.#socket.on('data', (some) => {
      received = Buffer.concat([received, some]);
      for (;;) {
        const start = received.indexOf(':') + 1;
        const end = start + Number(received.subarray(0, start - 1));
        if (start === 0 || received.length < end) return;
        const message = JSON.parse(received.subarray(start, end).toString());
        received = received.subarray(end);
        if (!Array.isArray(message)) onGreeting();
        else {
          const [, id, error, value] = message;
          this.#waiting.get(id)?.({ error, value });
          this.#waiting.delete(id);
        }
      }
    });
  }

  #ask(command: string, parameters: object = {}): Promise<unknown> {
    const id = ++this.#asked;
    const message = Buffer.from(JSON.stringify([0, id, command, parameters]));
    this.#socket.write(Buffer.concat([Buffer.from(`${message.length}:`), message]));
    return new Promise((resolve, reject) =>
      this.#waiting.set(id, ({ error, value }) =>
        error ? reject(new Error(`${command}: ${error.message}`)) : resolve(value),
      ),
    );
  }

  /** Runs a function body in the page. */
  async evaluate<T>(script: string, ...args: readonly unknown[]): Promise<T> {
    return ((await this.#ask('WebDriver:ExecuteScript', { script, args })) as { value: T }).value;
  }

  async screenshot(path: string): Promise<void> {
    const { value } = (await this.#ask('WebDriver:TakeScreenshot', { full: false })) as { value: string };
    writeFileSync(path, value, 'base64');
  }

  /** The middle of an element, on the display. */
  #middle(selector: string): Promise<Point> {
    return this.evaluate<Point>(
      `const { x, y, width, height } = document.querySelector(arguments[0]).getBoundingClientRect();
       return [Math.round(mozInnerScreenX + x + width / 2), Math.round(mozInnerScreenY + y + height / 2)];`,
      selector,
    );
  }

  #pointer(...args: readonly (string | number)[]): void {
    execFileSync('xdotool', args.map(String), { env: this.#environment });
  }

  async click(selector: string): Promise<void> {
    this.#pointer('mousemove', ...(await this.#middle(selector)), 'click', 1);
  }

  /** Drags an element onto another one. `isOver` runs before the release. */
  async drag(from: string, to: string, isOver?: () => Promise<void>): Promise<void> {
    await this.#drag(await this.#middle(from), await this.#middle(to), isOver);
  }

  /** Drags files and folders from the window of another program onto an element. `isOver` runs before the release. */
  async dragFiles(paths: readonly string[], to: string, isOver?: () => Promise<void>): Promise<void> {
    const [left, top] = [SIZE.width - 90, 10];
    const source = this.#spawn(PYTHON, [DRAG_SOURCE, `${left}`, `${top}`, ...paths]);
    await once(source.stdout!, 'data');
    await this.#drag([left + 40, top + 40], await this.#middle(to), isOver);
    // The program that takes the files asks their window for the paths.
    await pause(300);
    await ended(source);
  }

  async #drag([x, y]: Point, [toX, toY]: Point, isOver?: () => Promise<void>): Promise<void> {
    this.#pointer('mousemove', x, y, 'mousedown', 1);
    for (let step = 1; step <= STEPS; step++) {
      const share = step / STEPS;
      this.#pointer('mousemove', Math.round(x + share * (toX - x)), Math.round(y + share * (toY - y)));
      await pause(40);
    }
    await pause(200);
    await isOver?.();
    this.#pointer('mouseup', 1);
  }

  async close(): Promise<void> {
    this.#socket?.destroy();
    for (const child of this.#children.toReversed()) await ended(child);
    rmSync(this.#profile, { recursive: true, force: true, maxRetries: 5 });
  }
}

/** Moves of the pointer in a drag. A drag begins only after some distance. */
const STEPS = 10;

const pause = (milliseconds: number) => new Promise((resolve) => setTimeout(resolve, milliseconds));

async function ended(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const exit = once(child, 'exit');
  child.kill();
  await exit;
}
