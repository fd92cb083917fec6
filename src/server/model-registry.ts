import { basename, extname } from 'node:path';
import { hubName, isOnHub } from '../classifier/classifier-file.ts';
import { errorAbout, UsageError } from '../errors.ts';
import { Model, type Reload, type Sharing } from './model.ts';
import { Refusal } from './problem.ts';

/** The path or the address (`s3://bucket/name`, `hf:owner/name[@revision]`) of a classifier's file, and its name in URLs. */
export interface ModelFile {
  readonly name: string;
  readonly path: string;
}

/** Names that need no percent-encoding in a URL. */
const NAME = /^[A-Za-z0-9_][A-Za-z0-9._-]{0,63}$/;

/** Parses `pets=/srv/pets-v3.safetensors`, or a path, whose file name without extension becomes the name, or a repository on the hub. Throws `UsageError` if the name is not allowed. */
export function modelFile(given: string): ModelFile {
  const [, chosen, rest] = /^([^=/\\]+)=(.+)$/s.exec(given) ?? [];
  const path = rest ?? given;
  const name = chosen ?? (isOnHub(path) ? hubName(path) : basename(path, extname(path)));
  if (NAME.test(name)) return { name, path };
  throw new UsageError(`"${name}" cannot be the name of a classifier in a URL`, {
    code: 'server/name',
    hint: `Give it a name of letters, digits, ".", "_" and "-": my-name=${path}`,
    details: { name, path },
  });
}

/** The served classifiers, by name. They are reloaded when their files change. */
export class Registry {
  readonly #models: ReadonlyMap<string, Model>;
  readonly #polls: readonly NodeJS.Timeout[];
  /** Checks in progress. A check that waits for another program does not delay checks of other classifiers. */
  readonly #looking = new Map<Model, Promise<void>>();

  private constructor(
    models: ReadonlyMap<string, Model>,
    every: number | undefined,
    told: (reload: Reload) => void,
  ) {
    this.#models = models;
    this.#polls = this.all.map((model) =>
      setInterval(() => {
        if (!this.#looking.has(model)) this.#look(model, told);
      }, every ?? model.interval).unref(),
    );
  }

  /**
   * Opens all files. Every `every` milliseconds (default: a second for files, ten for objects of a store), checks whether another
   * program changed one, and reports it.
   */
  static async open(
    files: readonly ModelFile[],
    sharing: Sharing,
    every: number | undefined,
    told: (reload: Reload) => void,
  ): Promise<Registry> {
    const models = new Map<string, Model>();
    try {
      for (const { name, path } of files) {
        if (models.has(name)) throw sameName(name);
        const opened = Model.open(name, path, sharing).catch((error) => {
          throw errorAbout(path, error);
        });
        models.set(name, await opened);
      }
    } catch (error) {
      await Promise.all([...models.values()].map((model) => model.close()));
      throw error;
    }
    return new Registry(models, every, told);
  }

  get all(): Model[] {
    return [...this.#models.values()];
  }

  /** The classifier of this name. Throws a `Refusal` (404) if there is none. */
  get(name: string): Model {
    const model = this.#models.get(name);
    if (model) return model;
    throw new Refusal(404, 'There is no classifier of this name', {
      code: 'server/no-model',
      hint: `The server has ${[...this.#models.keys()].join(', ')}.`,
    });
  }

  async close(): Promise<void> {
    for (const poll of this.#polls) clearInterval(poll);
    await Promise.all(this.#looking.values());
    await Promise.all(this.all.map((model) => model.close()));
  }

  #look(model: Model, told: (reload: Reload) => void): void {
    const looked = model.refresh().then((reload) => {
      this.#looking.delete(model);
      if (reload) told(reload);
    });
    this.#looking.set(model, looked);
  }
}

function sameName(name: string): UsageError {
  return new UsageError(`Two classifiers have the name ${name}`, {
    code: 'server/same-name',
    hint: 'Give one of them another name: other-name=path.',
    details: { name },
  });
}
