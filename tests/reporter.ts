import { writeFileSync } from 'node:fs';
import type { Reporter, TestCase, TestModule } from 'vitest/node';

/**
 * Prints every skipped test with its reason, then the one line `N passed, N failed`, last. Both numbers also go to the file
 * that `TIP_ADAPTER_TEST_COUNTS` names, for a sum over several runs.
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

/** Whether its group is skipped: a test of a skipped group within a skipped group stays pending. */
function isLeftOut({ parent }: TestCase): boolean {
  return parent.type === 'suite' && parent.state() === 'skipped';
}
