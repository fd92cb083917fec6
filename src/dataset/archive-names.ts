/** Whether a file is a tar archive, plain or compressed by gzip. */
export function isTarName(name: string): boolean {
  return /\.(tar|tar\.gz|tgz)$/i.test(name);
}

/** Whether a file is a zip, also one of Teachable Machine. */
export function isZipName(name: string): boolean {
  return /\.(zip|tm)$/i.test(name);
}

/** The name of an archive without its ending. */
export function archiveStem(name: string): string {
  return name.replace(/\.(zip|tm|tar|tar\.gz|tgz)$/i, '');
}
