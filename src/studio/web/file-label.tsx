import type { ComponentChildren } from 'preact';
import { filesOf, type Incoming } from './upload.ts';

/** A button that lets the person choose files or a folder. */
export function FileLabel({
  class: className,
  title,
  id,
  accept,
  folder = false,
  tabIndex,
  onFiles,
  children,
}: {
  class: string;
  /** Accessible label, if the text does not say what it is for. */
  title?: string;
  id?: string;
  accept?: string;
  folder?: boolean;
  tabIndex?: number;
  onFiles(files: Incoming[]): void;
  children: ComponentChildren;
}) {
  return (
    <label class={className} title={title}>
      {children}
      <input
        type="file"
        id={id}
        class="hidden"
        multiple
        tabIndex={tabIndex}
        accept={accept}
        aria-label={title}
        {...(folder ? { webkitdirectory: true } : {})}
        onChange={({ currentTarget }) => {
          onFiles(filesOf(currentTarget.files ?? []));
          currentTarget.value = '';
        }}
      />
    </label>
  );
}
