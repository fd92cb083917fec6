import { UsageError } from '../../errors.ts';
import { mul } from '../../graph/elementwise.ts';
import { type Expr, input, inputsOf, isConstant, isInput, topological } from '../../graph/expression.ts';
import { gradients } from '../../graph/gradient.ts';
import { sum } from '../../graph/reduce.ts';
import { simplify } from '../../graph/simplify.ts';
import type { TrainingSpec } from './types.ts';

type Graph = Readonly<Record<string, Expr>>;

/** The graphs of a training step. */
export interface TrainingPlan<G = Graph> {
  /** Gives `loss`, `observe.<name>`, and `gradient.<name>` of each parameter (or of the blocks' result). */
  readonly loss: G;
  readonly blocks?: BlockPlan<G>;
}

/** The graphs of a chunk of blocks. */
export interface BlockPlan<G = Graph> {
  /** What all chunks share, computed once a step; missing where there is nothing. */
  readonly shared?: G;
  /** Gives the chunk's `partial` and what its gradient needs of the way there, `saved.<i>`. */
  readonly forward: G;
  /** Gives `gradient.<name>` of the chunk from `saved.<i>` and the result's gradient `upstream`. */
  readonly backward: G;
}

export function planTraining({ parameters, loss, observe = {}, blocks }: TrainingSpec): TrainingPlan {
  const names = Object.keys(parameters);
  const observed = Object.fromEntries(
    Object.entries(observe).map(([name, expr]) => [`observe.${name}`, expr]),
  );
  const find = (name: string): Expr => {
    const found = inputsOf([loss]).find((expr) => expr.attributes.name === name);
    if (found) return found;
    throw new UsageError(`The loss has no input "${name}" to train`, { code: 'training/parameter' });
  };
  if (!blocks) {
    const slopes = gradients(loss, names.map(find));
    const named = names.map((name, i) => [`gradient.${name}`, slopes[i]]);
    return { loss: simplify({ loss, ...observed, ...Object.fromEntries(named) }) };
  }
  const foreign = names.filter((name) => !blocks.sliced.includes(name));
  if (foreign.length > 0) {
    throw new UsageError(`Beside blocks only sliced parameters can be trained, not ${foreign.join(', ')}`, {
      code: 'training/blocks',
    });
  }
  const [slope] = gradients(loss, [find(blocks.result)]);
  return {
    loss: simplify({ loss, ...observed, 'gradient.result': slope }),
    blocks: splitPartial(blocks.partial, names, blocks.sliced),
  };
}

/** The same plan with each graph in another form, for instance as bytes. */
export function mapPlan<G, H>({ loss, blocks }: TrainingPlan<G>, f: (graph: G) => H): TrainingPlan<H> {
  return {
    loss: f(loss),
    blocks: blocks && {
      shared: blocks.shared && f(blocks.shared),
      forward: f(blocks.forward),
      backward: f(blocks.backward),
    },
  };
}

/**
 * Splits a chunk's gradient from its forward pass: what depends on the chunk and both need is computed forward and saved; what
 * does not depend on it is computed once for all chunks.
 */
function splitPartial(partial: Expr, parameters: readonly string[], sliced: readonly string[]): BlockPlan {
  const upstream = input('upstream', partial.shape);
  const inputs = inputsOf([partial]);
  const wanted = parameters.map((name) => inputs.find((expr) => expr.attributes.name === name) as Expr);
  const axes = [...partial.shape.keys()];
  const slopes = gradients(sum(mul(partial, upstream), axes), wanted);
  const graph: Graph = simplify({
    partial,
    ...Object.fromEntries(parameters.map((name, i) => [`gradient.${name}`, slopes[i]])),
  });
  const ofChunk = new Set<Expr>();
  for (const expr of topological(Object.values(graph))) {
    const own =
      isInput(expr) && (sliced.includes(expr.attributes.name) || expr.attributes.name === 'upstream');
    if (own || expr.operands.some((operand) => ofChunk.has(operand))) ofChunk.add(expr);
  }
  const sharedBy = frontier(Object.values(graph), (expr) => !ofChunk.has(expr));
  const { partial: ahead, ...back } = replaceBy('shared', sharedBy, graph);
  const inForward = new Set(topological([ahead!]));
  const saved = frontier(Object.values(back), (expr) => inForward.has(expr));
  return {
    shared: sharedBy.length > 0 ? named('shared', sharedBy) : undefined,
    forward: { partial: ahead!, ...named('saved', saved) },
    backward: replaceBy('saved', saved, back),
  };
}

/** The expressions inside a region that something outside it uses: neither inputs nor constants, each once. */
function frontier(outputs: readonly Expr[], inside: (expr: Expr) => boolean): Expr[] {
  const found = new Set<Expr>();
  const note = (expr: Expr) => {
    if (inside(expr) && !isInput(expr) && !isConstant(expr)) found.add(expr);
  };
  for (const expr of topological(outputs)) if (!inside(expr)) expr.operands.forEach(note);
  return [...found];
}

function named(prefix: string, exprs: readonly Expr[]): Graph {
  return Object.fromEntries(exprs.map((expr, i) => [`${prefix}.${i}`, expr]));
}

/** Rebuilds a graph with some of its parts as inputs. */
function replaceBy(prefix: string, parts: readonly Expr[], graph: Graph): Graph {
  const replaced = new Map(
    parts.map((expr, i): [Expr, Expr] => [expr, input(`${prefix}.${i}`, expr.shape, expr.dtype)]),
  );
  for (const expr of topological(Object.values(graph))) {
    if (replaced.has(expr)) continue;
    const operands = expr.operands.map((operand) => replaced.get(operand)!);
    const changed = operands.some((operand, i) => operand !== expr.operands[i]);
    replaced.set(expr, changed ? { ...expr, operands } : expr);
  }
  return Object.fromEntries(Object.entries(graph).map(([name, expr]) => [name, replaced.get(expr)!]));
}
