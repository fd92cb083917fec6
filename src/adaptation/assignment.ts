/**
 * The cheapest assignment of each row to a column of its own, [r] column indices, for costs [r, c] with r <= c: the Hungarian algorithm with
 * potentials (Kuhn 1955; Jonker and Volgenant 1987), in O(r^2 c).
 */
export function assignment(costs: readonly ArrayLike<number>[], columns: number): number[] {
  const rowPotential = new Float64Array(costs.length);
  const columnPotential = new Float64Array(columns);
  /** Row of each column, or -1. */
  const rowOf = new Int32Array(columns).fill(-1);
  for (let start = 0; start < costs.length; start++) {
    const distance = new Float64Array(columns).fill(Number.POSITIVE_INFINITY);
    const before = new Int32Array(columns).fill(-1);
    const isDone = new Uint8Array(columns);
    let [row, last, end] = [start, -1, -1];
    // The shortest alternating path from `start` to a free column.
    while (end < 0) {
      let next = -1;
      for (let c = 0; c < columns; c++) {
        if (isDone[c]) continue;
        const length =
          costs[row]![c]! - rowPotential[row]! - columnPotential[c]! + (last < 0 ? 0 : distance[last]!);
        if (length < distance[c]!) {
          distance[c] = length;
          before[c] = last;
        }
        if (next < 0 || distance[c]! < distance[next]!) next = c;
      }
      isDone[next] = 1;
      last = next;
      if (rowOf[next]! < 0) end = next;
      else row = rowOf[next]!;
    }
    const shortest = distance[end]!;
    for (let c = 0; c < columns; c++) {
      if (!isDone[c]) continue;
      const gain = shortest - distance[c]!;
      columnPotential[c]! -= gain;
      if (rowOf[c]! >= 0) rowPotential[rowOf[c]!]! += gain;
    }
    rowPotential[start]! += shortest;
    for (let c = end; c >= 0; ) {
      const previous = before[c]!;
      rowOf[c] = previous < 0 ? start : rowOf[previous]!;
      c = previous;
    }
  }
  const columnOf = new Array<number>(costs.length);
  rowOf.forEach((row, column) => {
    if (row >= 0) columnOf[row] = column;
  });
  return columnOf;
}
