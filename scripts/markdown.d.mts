export interface CodeBlock {
  readonly language: string;
  /** The line of the file at which the block begins, counted from 1. */
  readonly line: number;
  readonly code: string;
}
export function parseMarkdown(text: string): {
  readonly blocks: readonly CodeBlock[];
  readonly anchors: ReadonlySet<string>;
  readonly links: readonly { readonly target: string; readonly line: number }[];
};
export function slugOf(heading: string): string;
