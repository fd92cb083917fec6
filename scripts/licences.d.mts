/** A lock file of npm, as far as it is read. */
export function installed(lock?: {
  packages: Record<string, { license?: string; dev?: boolean }>;
}): { name: string; licence: string }[];
export function renderLicences(): string;
