import { writeFileSync } from 'node:fs';
import type { Reporter, TestCase, TestModule } from 'vitest/node';

/**
 * Prints every skipped test with its reason, every failed test with its message, and last the line `N passed, N failed`. The counts and
 * the failures are also written to the file in `TIP_ADAPTER_TEST_COUNTS`, for a sum over several runs.
 */
export default class SummaryReporter implements Reporter {
  onTestRunEnd(modules: readonly TestModule[], errors: readonly unknown[]): void {
    let passed = 0;
    const skipped: string[] = [];
    const failures = errors.map((error) => `outside the tests: ${firstLine(error)}`);
    for (const module of modules) {
      failures.push(...module.errors().map((error) => `${module.relativeModuleId}: ${firstLine(error)}`));
      for (const test of module.children.allTests()) {
        const { state, errors } = test.result();
        const name = `${module.relativeModuleId} > ${test.fullName}`;
        if (state === 'passed') passed++;
        else if (state === 'skipped' || isLeftOut(test)) skipped.push(name);
        else failures.push(`${name}: ${firstLine(errors?.[0] ?? { message: 'it did not end' })}`);
      }
    }
    const failed = failures.length;
    const { TIP_ADAPTER_TEST_COUNTS: counts } = process.env;
    if (counts) writeFileSync(counts, JSON.stringify({ passed, failures }));
    process.on('exit', () => {
      for (const name of skipped) console.log(`skipped: ${name}`);
      for (const failure of failures) console.log(`failed: ${failure}`);
      console.log(`${passed} passed, ${failed} failed${skipped.length ? `, ${skipped.length} skipped` : ''}`);
    });
  }
}

function firstLine(error: unknown): string {
  const { message = String(error) } = error as { message?: string };
  return message.split('\n')[0]!;
}

/** Whether the test's group is skipped. Vitest reports a test in nested skipped groups as pending. */
function isLeftOut({ parent }: TestCase): boolean {
  return parent.type === 'suite' && parent.state() === 'skipped';
}
