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
  /** Computes `loss`, `observe.<name>`, and `gradient.<name>` of each parameter (or of the blocks' result). */
  readonly loss: G;
  readonly blocks?: BlockPlan<G>;
}

/** The graphs of a chunk of blocks. */
export interface BlockPlan<G = Graph> {
  /** Computes what all chunks share, once for each step; undefined if they share nothing. */
  readonly shared?: G;
  /** Computes the chunk's `partial`, and the intermediate results that its gradient needs, `saved.<i>`. */
  readonly forward: G;
  /** Computes `gradient.<name>` of the chunk from `saved.<i>` and the gradient of its result, `upstream`. */
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

/** The plan with `f` applied to each graph, for instance to make bytes of it. */
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
 * Separates a chunk's gradient from its forward pass. An intermediate result that both need is saved by the forward pass if it
 * depends on the chunk, and computed once for all chunks if it does not.
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

/** The expressions inside a region that an expression outside uses, each once, without inputs and constants. */
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

/** Rebuilds a graph with some of its expressions replaced by inputs. */
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
