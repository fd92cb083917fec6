import { throwIfAborted } from '../errors.ts';
import { dot } from '../math/matrix.ts';

/** A function's value and gradient g at a point, and P g. The fixed matrix P approximates the inverse of the function's curvature. */
interface Evaluation {
  readonly value: number;
  readonly gradient: Float32Array;
  readonly preconditioned: Float32Array;
}

/** A smooth function. The caller may change the arrays that it returns. */
export type Objective = (x: Float32Array) => Promise<Evaluation>;

interface Point extends Evaluation {
  readonly x: Float32Array;
}

export interface Minimum extends Point {
  readonly iterations: number;
  readonly evaluations: number;
}

interface Limits {
  readonly iterations?: number;
  /** The search ends when the remaining decrease is expected to be below this, given the value. */
  readonly tolerance?: (value: number) => number;
  readonly signal?: AbortSignal;
}

/** Number of remembered steps. Each costs three passes over the parameters. */
const MEMORY = 5;

/**
 * Minimises a convex function by L-BFGS (Nocedal and Wright, Numerical Optimization, algorithm 7.5), with P as the first inverse curvature
 * and a line search for the strong Wolfe conditions. It is deterministic. It ends by the decrease that the quadratic model expects, g H g /
 * 2, because differences of float32 values are too coarse for that. Throws `InterruptedError` when the signal fires.
 */
export async function minimise(
  objective: Objective,
  start: Float32Array,
  { iterations = 60, tolerance = () => 1e-7, signal }: Limits = {},
): Promise<Minimum> {
  let evaluations = 0;
  const at = async (x: Float32Array): Promise<Point> => {
    throwIfAborted(signal);
    evaluations++;
    return { x, ...(await objective(x)) };
  };
  const memory: Step[] = [];
  const q = new Float32Array(start.length);
  const direction = new Float32Array(start.length);
  // Points of large problems take megabytes, so their memory is reused.
  const spare: Float32Array[] = [];
  let now = await at(start.slice());
  let iteration = 0;
  for (; iteration < iterations; iteration++) {
    descend(direction, q, now, memory);
    const slope = dot(direction, now.gradient);
    if (!(-slope / 2 > tolerance(now.value))) break;
    const next = await lineSearch(at, now, direction, slope, spare);
    if (next.x === now.x) break;
    remember(memory, now, next, spare);
    now = next;
  }
  return { ...now, iterations: iteration, evaluations };
}

interface Step {
  /** Changes of the point, of the gradient, and of the preconditioned gradient. */
  readonly s: Float32Array;
  readonly y: Float32Array;
  readonly z: Float32Array;
  /** s . y, positive. */
  readonly curvature: number;
}

/** Remembers the step between two points, in the arrays of the first. */
function remember(memory: Step[], before: Point, after: Point, spare: Float32Array[]): void {
  const { x: s, gradient: y, preconditioned: z } = before;
  for (let i = 0; i < s.length; i++) {
    s[i] = after.x[i]! - s[i]!;
    y[i] = after.gradient[i]! - y[i]!;
    z[i] = after.preconditioned[i]! - z[i]!;
  }
  const curvature = dot(s, y);
  if (curvature > 0) memory.push({ s, y, z, curvature });
  else spare.push(s);
  if (memory.length > MEMORY) spare.push(memory.shift()!.s);
}

/**
 * Sets `direction` to -H g, where H is the inverse curvature estimated from P and the remembered steps (two-loop recursion, algorithm 7.4).
 * P q follows from P g and P y, because P is linear.
 */
function descend(
  direction: Float32Array,
  q: Float32Array,
  { gradient, preconditioned }: Point,
  memory: readonly Step[],
): void {
  q.set(gradient);
  direction.set(preconditioned);
  const shares = memory.map(() => 0);
  for (const [k, { s, y, z, curvature }] of [...memory.entries()].reverse()) {
    shares[k] = dot(s, q) / curvature;
    addScaled(q, y, -shares[k]!);
    addScaled(direction, z, -shares[k]!);
  }
  const last = memory.at(-1);
  const scale = last ? last.curvature / dot(last.y, last.z) : 1;
  for (let i = 0; i < q.length; i++) direction[i]! *= scale;
  memory.forEach(({ s, y, curvature }, k) => {
    addScaled(direction, s, shares[k]! - dot(y, direction) / curvature);
  });
  for (let i = 0; i < q.length; i++) direction[i] = -direction[i]!;
}

/** Constants of the strong Wolfe conditions: sufficient decrease and curvature. */
const DECREASE = 1e-4;
const CURVATURE = 0.9;
const TRIALS = 20;
/** Relative rounding error of a float32 value. */
const ROUNDING = 5e-7;

/**
 * A step along the direction that meets the strong Wolfe conditions to within rounding. For a convex function it is enough to narrow a
 * bracket by cubic interpolation. Returns the point itself if no step descends.
 */
async function lineSearch(
  at: (x: Float32Array) => Promise<Point>,
  from: Point,
  direction: Float32Array,
  slope: number,
  spare: Float32Array[],
): Promise<Point> {
  let low = { t: 0, value: from.value, slope };
  let high: typeof low | undefined;
  let t = 1;
  const slack = ROUNDING * Math.abs(from.value);
  for (let trial = 0; trial < TRIALS; trial++) {
    const x = spare.pop() ?? new Float32Array(direction.length);
    for (let i = 0; i < x.length; i++) x[i] = from.x[i]! + t * direction[i]!;
    const point = await at(x);
    const here = { t, value: point.value, slope: dot(point.gradient, direction) };
    const descends = point.value <= from.value + DECREASE * t * slope + slack;
    if (descends && Math.abs(here.slope) <= -CURVATURE * slope) return point;
    if (descends && here.slope < 0) low = here;
    else high = here;
    spare.push(x);
    t = high ? between(low, high) : 3 * t;
  }
  return from;
}

/** The minimum of the cubic through two points, kept off the ends of the bracket. */
function between(
  low: { t: number; value: number; slope: number },
  high: { t: number; value: number; slope: number },
): number {
  const width = high.t - low.t;
  const d1 = low.slope + high.slope - (3 * (high.value - low.value)) / width;
  const square = d1 * d1 - low.slope * high.slope;
  const d2 = Math.sqrt(Math.max(0, square));
  const share = 1 - (high.slope + d2 - d1) / (high.slope - low.slope + 2 * d2);
  return low.t + width * (Number.isFinite(share) ? Math.min(0.9, Math.max(0.1, share)) : 0.5);
}

function addScaled(target: Float32Array, source: Float32Array, scale: number): void {
  for (let i = 0; i < target.length; i++) target[i]! += scale * source[i]!;
}
