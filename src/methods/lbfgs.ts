import { throwIfAborted } from '../errors.ts';

/** A smooth function: its value and gradient at a point. */
export type Objective = (x: Float32Array) => Promise<{ value: number; gradient: Float32Array }>;

interface Point {
  readonly x: Float32Array;
  readonly value: number;
  readonly gradient: Float32Array;
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

/** Number of remembered steps. Each costs two passes over the parameters. */
const MEMORY = 5;

/**
 * Minimises a convex function by L-BFGS (Nocedal and Wright, Numerical Optimization, algorithm 7.5) with a line search for the strong Wolfe
 * conditions. It is deterministic. It ends by the decrease that the quadratic model expects, g H g / 2, because differences of float32
 * values are too coarse for that. Throws `InterruptedError` when the signal fires.
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
  let now = await at(start);
  let iteration = 0;
  for (; iteration < iterations; iteration++) {
    const direction = descent(now.gradient, memory);
    const slope = dot(direction, now.gradient);
    // Before any curvature is known, the size of the gradient says nothing about the remaining decrease.
    if (!(-slope / 2 > (memory.length > 0 ? tolerance(now.value) : 0))) break;
    // Without remembered curvature, the length of the first step is a guess.
    const length = memory.length > 0 ? 1 : Math.min(1, 0.1 / Math.sqrt(-slope));
    const next = await lineSearch(at, now, direction, slope, length);
    if (next.x === now.x) break;
    remember(memory, now, next);
    now = next;
  }
  return { ...now, iterations: iteration, evaluations };
}

interface Step {
  /** Changes of the point and of the gradient. */
  readonly s: Float32Array;
  readonly y: Float32Array;
  /** s . y, positive. */
  readonly curvature: number;
}

function remember(memory: Step[], before: Point, after: Point): void {
  const s = sum(after.x, before.x, -1);
  const y = sum(after.gradient, before.gradient, -1);
  const curvature = dot(s, y);
  if (!(curvature > 0)) return;
  memory.push({ s, y, curvature });
  if (memory.length > MEMORY) memory.shift();
}

/** -H g, where H is the inverse curvature of the remembered steps (two-loop recursion, algorithm 7.4). */
function descent(gradient: Float32Array, memory: readonly Step[]): Float32Array {
  const q = gradient.slice();
  const shares = memory.map(() => 0);
  for (const [k, { s, y, curvature }] of [...memory.entries()].reverse()) {
    shares[k] = dot(s, q) / curvature;
    addScaled(q, y, -shares[k]!);
  }
  const last = memory.at(-1);
  if (last) {
    const scale = last.curvature / dot(last.y, last.y);
    for (let i = 0; i < q.length; i++) q[i]! *= scale;
  }
  memory.forEach(({ s, y, curvature }, k) => {
    addScaled(q, s, shares[k]! - dot(y, q) / curvature);
  });
  for (let i = 0; i < q.length; i++) q[i] = -q[i]!;
  return q;
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
  first: number,
): Promise<Point> {
  let low = { t: 0, value: from.value, slope };
  let high: typeof low | undefined;
  let t = first;
  const slack = ROUNDING * Math.abs(from.value);
  for (let trial = 0; trial < TRIALS; trial++) {
    const point = await at(sum(from.x, direction, t));
    const here = { t, value: point.value, slope: dot(point.gradient, direction) };
    const descends = point.value <= from.value + DECREASE * t * slope + slack;
    if (descends && Math.abs(here.slope) <= -CURVATURE * slope) return point;
    if (descends && here.slope < 0) low = here;
    else high = here;
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

function sum(a: Float32Array, b: Float32Array, scale: number): Float32Array {
  const out = a.slice();
  addScaled(out, b, scale);
  return out;
}

/** The inner product in float64, in four sums side by side, which the processor adds in parallel. */
function dot(a: Float32Array, b: Float32Array): number {
  let [s0, s1, s2, s3] = [0, 0, 0, 0];
  let i = 0;
  for (; i + 4 <= a.length; i += 4) {
    s0 += a[i]! * b[i]!;
    s1 += a[i + 1]! * b[i + 1]!;
    s2 += a[i + 2]! * b[i + 2]!;
    s3 += a[i + 3]! * b[i + 3]!;
  }
  for (; i < a.length; i++) s0 += a[i]! * b[i]!;
  return s0 + s1 + s2 + s3;
}

function addScaled(target: Float32Array, source: Float32Array, scale: number): void {
  for (let i = 0; i < target.length; i++) target[i]! += scale * source[i]!;
}
