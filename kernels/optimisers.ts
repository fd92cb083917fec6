/**
 * One step of an optimiser on `n` numbers (a multiple of 4), by the rules of PyTorch's `torch.optim`. `p`, `g`, `m`, `v` are the byte
 * addresses of the parameters, the gradient and the moments.
 */

/** SGD with momentum: m = momentum m + (g + decay p); p -= rate m. */
export function sgd(p: usize, g: usize, m: usize, n: i32, rate: f32, momentum: f32, decay: f32): void {
  const step = f32x4.splat(rate);
  const keep = f32x4.splat(momentum);
  const shrink = f32x4.splat(decay);
  for (let i: usize = 0; i < usize(n) << 2; i += 16) {
    const x = v128.load(p + i);
    const grad = f32x4.add(v128.load(g + i), f32x4.mul(shrink, x));
    const mean = f32x4.add(f32x4.mul(keep, v128.load(m + i)), grad);
    v128.store(m + i, mean);
    v128.store(p + i, f32x4.sub(x, f32x4.mul(step, mean)));
  }
}

/**
 * Adam or, if `decoupled`, AdamW. AdamW first multiplies p by 1 - rate decay; Adam adds decay p to the gradient. Then
 * p -= rate mhat / (sqrt(vhat) + eps), where `correction1` and `correction2` are 1 - beta^t.
 */
export function adam(
  p: usize,
  g: usize,
  m: usize,
  v: usize,
  n: i32,
  rate: f32,
  beta1: f32,
  beta2: f32,
  eps: f32,
  decay: f32,
  decoupled: bool,
  correction1: f32,
  correction2: f32,
): void {
  const b1 = f32x4.splat(beta1);
  const c1 = f32x4.splat(1 - beta1);
  const b2 = f32x4.splat(beta2);
  const c2 = f32x4.splat(1 - beta2);
  const shrink = f32x4.splat(decoupled ? 0 : decay);
  const keep = f32x4.splat(decoupled ? 1 - rate * decay : 1);
  const step = f32x4.splat(rate / correction1);
  const root = f32x4.splat(f32(1.0 / Math.sqrt(f64(correction2))));
  const e = f32x4.splat(eps);
  for (let i: usize = 0; i < usize(n) << 2; i += 16) {
    const x = v128.load(p + i);
    const grad = f32x4.add(v128.load(g + i), f32x4.mul(shrink, x));
    const mean = f32x4.add(f32x4.mul(b1, v128.load(m + i)), f32x4.mul(c1, grad));
    const square = f32x4.add(f32x4.mul(b2, v128.load(v + i)), f32x4.mul(c2, f32x4.mul(grad, grad)));
    v128.store(m + i, mean);
    v128.store(v + i, square);
    const scale = f32x4.add(f32x4.mul(f32x4.sqrt(square), root), e);
    v128.store(p + i, f32x4.sub(f32x4.mul(x, keep), f32x4.div(f32x4.mul(step, mean), scale)));
  }
}
