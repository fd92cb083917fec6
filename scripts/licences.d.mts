/** The parts of npm's lock file that are read. */
export function installed(lock?: {
  packages: Record<string, { license?: string; dev?: boolean }>;
}): { name: string; licence: string }[];
export function renderLicences(): string;
