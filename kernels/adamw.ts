/**
 * One step of AdamW over `n` numbers (a multiple of 4; memory addresses in bytes, aligned to 16): decoupled decay first, then
 * p -= rate * mhat / (sqrt(vhat) + eps), as PyTorch's `torch.optim.AdamW`. `correction1` and `correction2` are 1 - beta^t.
 */
export function adamw(
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
  correction1: f32,
  correction2: f32,
): void {
  const b1 = f32x4.splat(beta1);
  const c1 = f32x4.splat(1 - beta1);
  const b2 = f32x4.splat(beta2);
  const c2 = f32x4.splat(1 - beta2);
  const keep = f32x4.splat(1 - rate * decay);
  const step = f32x4.splat(rate / correction1);
  const root = f32x4.splat(f32(1.0 / Math.sqrt(f64(correction2))));
  const e = f32x4.splat(eps);
  for (let i: usize = 0; i < usize(n) << 2; i += 16) {
    const grad = v128.load(g + i);
    const mean = f32x4.add(f32x4.mul(b1, v128.load(m + i)), f32x4.mul(c1, grad));
    const square = f32x4.add(f32x4.mul(b2, v128.load(v + i)), f32x4.mul(c2, f32x4.mul(grad, grad)));
    v128.store(m + i, mean);
    v128.store(v + i, square);
    const scale = f32x4.add(f32x4.mul(f32x4.sqrt(square), root), e);
    const kept = f32x4.mul(v128.load(p + i), keep);
    v128.store(p + i, f32x4.sub(kept, f32x4.div(f32x4.mul(step, mean), scale)));
  }
}
