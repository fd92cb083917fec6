export function changelogFault(
  text: string,
  about: { changed: boolean; version?: string },
): string | undefined;
