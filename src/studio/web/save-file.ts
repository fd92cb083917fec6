/** Milliseconds for which the browser may read the content. */
const KEPT_MS = 600_000;

/** Saves a file that the page has made, as a download of the browser. */
export function saveFile({ name, content }: { name: string; content: Blob }): void {
  const url = URL.createObjectURL(content);
  Object.assign(document.createElement('a'), { href: url, download: name }).click();
  setTimeout(() => URL.revokeObjectURL(url), KEPT_MS);
}
