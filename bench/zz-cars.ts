import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { createEngine } from '/work/main/src/engine/node.ts';
import { fromHalf } from '/work/main/src/math/half.ts';
import { argmax, matrix, row, productT, unitRows } from '/work/main/src/math/matrix.ts';
import { parseNpy } from '/work/main/src/store/npy.ts';
import { regressions, meansOver } from '/work/main/src/methods/anchored-regression.ts';
const shared='/work/shared';
export function load(dataset, file) {
  const folder = join(shared, 'data/clip_vitb32', dataset);
  const info = JSON.parse(readFileSync(join(folder, 'info.json'), 'utf8'));
  const { dtype, shape, data } = parseNpy(readFileSync(join(folder, `${file}.npy`)));
  const values = dtype === 'float16' ? fromHalf(data) : data;
  return { features: matrix(shape[0], shape[1], values), labels: Int32Array.from(info.files[`${file}.npy`].labels ?? []) };
}
const engine = createEngine();
const test = load('stanford_cars','val'); const W = load('stanford_cars','text').features;
for (const K of process.argv.slice(2).map(Number)) {
  const s = load('stanford_cars', `support_${K}shot`);
  const f = unitRows(s.features);
  const x = matrix(f.rows, f.cols, f.data.map(v=>v*100));
  const off = productT(x, W);
  const n=f.rows;
  const all=[...Array(n).keys()];
  const t0=performance.now();
  const solver = await regressions(engine,{rows:x,labels:s.labels,classes:196,offset:off,weights:meansOver([all],n)});
  let start;
  for (const lam of [1/K, .3/K,.1/K]) {
    const t=performance.now();
    start = await solver.solve(new Float32Array(512).fill(lam), start);
    const v = matrix(196,512,start.map((d,i)=>d+W.data[i]));
    const t2=performance.now();
    const z = productT(unitRows(test.features), v);
    let c=0; for(let i=0;i<z.rows;i++) if(argmax(row(z,i))===test.labels[i]) c++;
    console.log(K, lam, (100*c/z.rows).toFixed(2), 'ms', (t2-t).toFixed(0));
  }
  await solver.close();
}
await engine.close();
