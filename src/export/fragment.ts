import type { OnnxWriter } from '../graph/expression.ts';
import { graphWriter } from '../graph/onnx.ts';
import { Message } from '../graph/protobuf.ts';
import { type OnnxGraph, parseGraph, renamed } from './onnx-model.ts';

/** Nodes to add to a model. Their names have a prefix, except `outside`, values of the model that they read. */
export function fragment<Result extends string | readonly string[]>(
  prefix: string,
  build: (write: OnnxWriter) => Result,
  outside: readonly string[] = [],
): { graph: OnnxGraph; output: Result } {
  const message = new Message();
  const output = build(graphWriter(message));
  const rename = (name: string) => (outside.includes(name) ? name : `${prefix}/${name}`);
  const names = typeof output === 'string' ? rename(output) : output.map(rename);
  return { graph: renamed(parseGraph(message.bytes()), rename), output: names as Result };
}
