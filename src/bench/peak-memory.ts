import { readFileSync, writeFileSync } from 'node:fs';

/**
 * Begins to watch the resident memory of the process; the answer is its peak since then, in MiB. Linux alone can begin anew: elsewhere
 * the peak is that since the process began.
 */
export function watchMemory(): () => number {
  const isReset = resetPeak();
  return () => Math.round((isReset ? peakOfStatus() : process.resourceUsage().maxRSS) / 1024);
}

/** Sets the kernel's mark of the highest resident memory to what is resident now (proc(5), clear_refs). */
function resetPeak(): boolean {
  try {
    writeFileSync('/proc/self/clear_refs', '5');
    return peakOfStatus() > 0;
  } catch {
    return false;
  }
}

/** KiB. */
function peakOfStatus(): number {
  return Number(/VmHWM:\s*(\d+) kB/.exec(readFileSync('/proc/self/status', 'utf8'))?.[1] ?? 0);
}
