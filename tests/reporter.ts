import { writeFileSync } from 'node:fs';
import type { Reporter, TestCase, TestModule } from 'vitest/node';

/**
 * Prints every skipped test with its reason, and last the line `N passed, N failed`. Both numbers are also written to the file in
 * `TIP_ADAPTER_TEST_COUNTS`, for a sum over several runs.
 */
export default class SummaryReporter implements Reporter {
  onTestRunEnd(modules: readonly TestModule[], errors: readonly unknown[]): void {
    let passed = 0;
    let failed = errors.length;
    const skipped: string[] = [];
    for (const module of modules) {
      failed += module.errors().length;
      for (const test of module.children.allTests()) {
        const { state } = test.result();
        if (state === 'passed') passed++;
        else if (state === 'skipped' || isLeftOut(test))
          skipped.push(`${module.relativeModuleId} > ${test.fullName}`);
        else failed++;
      }
    }
    const { TIP_ADAPTER_TEST_COUNTS: counts } = process.env;
    if (counts) writeFileSync(counts, JSON.stringify({ passed, failed }));
    process.on('exit', () => {
      for (const name of skipped) console.log(`skipped: ${name}`);
      console.log(`${passed} passed, ${failed} failed${skipped.length ? `, ${skipped.length} skipped` : ''}`);
    });
  }
}

/** Whether the test's group is skipped. Vitest reports a test in nested skipped groups as pending. */
function isLeftOut({ parent }: TestCase): boolean {
  return parent.type === 'suite' && parent.state() === 'skipped';
}
