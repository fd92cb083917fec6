import { findEncoder } from '../installed.ts';
import { pullEncoder } from '../pull.ts';
import { BUILTIN_ID } from './packages.ts';

/**
 * For tests: the built-in encoder in the user's own home, downloaded (112 MB) by the first run only. Returns its folder, or the reason
 * why it is missing. Call it before a test changes `TIP_ADAPTER_HOME`.
 */
export async function builtinOnMachine(): Promise<{ folder?: string; missing?: string }> {
  try {
    const found = (await findEncoder(BUILTIN_ID)) ?? (await pullEncoder(BUILTIN_ID));
    return { folder: found.folder };
  } catch (error) {
    return { missing: (error as Error).message };
  }
}
