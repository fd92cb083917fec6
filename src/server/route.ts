import type { z } from 'zod';
import type { Encoded, Inference } from './inference.ts';
import type { Expected, Model, Ready } from './model.ts';
import type { Registry } from './model-registry.ts';
import type { SentPicture } from './request-pictures.ts';
import type { Samples } from './samples.ts';

/** Kind of a body: none, pictures in any accepted form, a request of the inference protocol, or JSON of a schema. */
type BodyKind = 'none' | 'pictures' | 'inference' | z.ZodType;
type BodyOf<K extends BodyKind> = K extends 'pictures'
  ? SentPicture[]
  : K extends 'inference'
    ? Inference
    : K extends z.ZodType<infer T>
      ? T
      : undefined;

/** The checked input of a route. */
export interface Ask<Q = unknown, B = unknown> {
  readonly registry: Registry;
  /** The classifier that the path names. */
  readonly model: Model;
  /** Saves pictures for later labelling, if the server does. */
  readonly samples?: Samples;
  readonly query: Q;
  readonly body: B;
  readonly expected: Expected;
  readonly signal: AbortSignal;
  /** Calls `work` with the classifier, which stays open until the work is done, and names it in the answer's headers. */
  use<T>(work: (ready: Ready) => Promise<T>): Promise<T>;
}

interface RouteOf<Q extends z.ZodObject, K extends BodyKind, A extends z.ZodType> {
  readonly method: 'get' | 'post' | 'delete';
  readonly path: string;
  /** Name of the operation, for generated clients. */
  readonly name: string;
  readonly summary: string;
  readonly query: Q;
  readonly body: K;
  readonly answer: A;
  /** Whether the route changes the file. Such routes are refused by a read-only server, and have a longer deadline. */
  readonly changes?: true;
  /** The body and the content type of an answer, if it is not only JSON. */
  encode?(answer: z.infer<A>, body: BodyOf<K>): Encoded;
  act(ask: Ask<z.infer<Q>, BodyOf<K>>): Promise<z.infer<A>> | z.infer<A>;
}

/** A route in the form that the server and the OpenAPI document use. */
export interface Route extends Omit<RouteOf<z.ZodObject, BodyKind, z.ZodType>, 'act' | 'encode'> {
  encode?(answer: unknown, body: unknown): Encoded;
  act(ask: Ask): unknown;
}

/** Checks the types of a route where it is written, and returns it with the general type of the list. */
export function route<Q extends z.ZodObject, K extends BodyKind, A extends z.ZodType>(
  shape: RouteOf<Q, K, A>,
): Route {
  return shape as unknown as Route;
}
