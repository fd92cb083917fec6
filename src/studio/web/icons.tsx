const PATHS = {
  undo: 'M9 7H4V2M4 7a9 9 0 1 1-1.5 8',
  redo: 'M15 7h5V2M20 7a9 9 0 1 0 1.5 8',
  camera: 'M4 7h3l2-3h6l2 3h3v12H4zM12 16.5a3.5 3.5 0 1 0 0-7 3.5 3.5 0 0 0 0 7z',
  phone: 'M8 2.5h8v19H8zM11.5 18.5h1',
  plus: 'M12 5v14M5 12h14',
  more: 'M5 12h.01M12 12h.01M19 12h.01',
  lock: 'M6 11h12v9H6zM8.5 11V8a3.5 3.5 0 0 1 7 0v3',
  pictures: 'M4 5h16v14H4zM4 16l5-5 4 4 2.5-2.5L20 17M15.5 9h.01',
  folder: 'M3 6h6l2 2.5h10V19H3z',
  down: 'M12 4v12M7 11.5l5 5 5-5M5 20h14',
  check: 'M5 12.5l4.5 4.5L19 7.5',
  try: 'M12 3l2.2 5.8L20 11l-5.8 2.2L12 19l-2.2-5.8L4 11l5.8-2.2z',
  open: 'M7 10l5 5 5-5',
  close: 'M6 6l12 12M18 6L6 18',
} as const;

/** An icon beside a text or in a labelled button. Screen readers ignore it. */
export function Icon({ name }: { name: keyof typeof PATHS }) {
  return (
    <svg class="icon" viewBox="0 0 24 24" aria-hidden="true">
      <path d={PATHS[name]} />
    </svg>
  );
}
