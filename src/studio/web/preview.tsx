import { signal } from '@preact/signals';
import { useLayoutEffect, useRef, useState } from 'preact/hooks';
import { previewUrl } from './api.ts';
import { classItems, newClassItem } from './class-choice.tsx';
import { type Box, CropBox, cropPicture, squareOf } from './crop.tsx';
import { Icon } from './icons.tsx';
import { Menu } from './menu.tsx';
import { messages } from './messages.ts';
import { place } from './selection.ts';
import { board, classNames, perform, tellError } from './store.ts';
import { focusedPart, tellDone, Undoable } from './undoable.tsx';

/** The enlarged picture, the pictures that arrow keys move to, and the section that they are in. */
interface Seen {
  readonly hash: string;
  readonly among: readonly string[];
  readonly part: string;
}
const seen = signal<Seen | undefined>(undefined);

export function preview(hash: string, among: readonly string[]): void {
  seen.value = { hash, among, part: focusedPart() };
}

/** A picture as a button that enlarges it. Arrow keys then move to the pictures of `among`. */
export function Seeable({ hash, among, src }: { hash: string; among: readonly string[]; src: string }) {
  const name = board.value.pictures.get(hash)?.name ?? '';
  return (
    <button
      type="button"
      class="seeable"
      title={messages.value.preview.open(name)}
      onClick={() => preview(hash, among)}
    >
      <img src={src} alt={name} loading="lazy" decoding="async" />
    </button>
  );
}

export function Preview() {
  const now = seen.value;
  const hash = now && shownOf(now);
  return hash ? <Large key="preview" {...now} hash={hash} /> : null;
}

/** The picture or, if it is gone (its crop was undone, say), the one before it in the list. */
function shownOf({ hash, among }: Seen): string | undefined {
  const { pictures } = board.value;
  if (pictures.has(hash)) return hash;
  return among.slice(0, among.indexOf(hash)).findLast((before) => pictures.has(before));
}

function Large({ hash, among, part }: Seen) {
  const m = messages.value.preview;
  const dialog = useRef<HTMLDialogElement>(null);
  const image = useRef<HTMLImageElement>(null);
  const [crop, setCrop] = useState<Box | undefined>(undefined);
  const { name = '', classId } = board.value.pictures.get(hash) ?? {};
  const there = among.filter((one) => board.value.pictures.has(one));
  const at = there.indexOf(hash);
  // Before painting, so that the dialog receives the next key.
  useLayoutEffect(() => dialog.current?.showModal(), []);
  const show = (next: string, list = among) => {
    seen.value = { hash: next, among: list, part };
  };
  const go = (step: number) => {
    const next = there[at + step];
    setCrop(undefined);
    if (next) show(next);
  };
  const discard = () => {
    const next = there[at + 1] ?? there[at - 1];
    perform({ do: 'discard', hashes: [hash] });
    tellDone(messages.value.collect.discarded(1), part);
    if (next) show(next);
    else dialog.current?.close();
  };
  const cut = async () => {
    if (!crop || !image.current) return;
    const kept = await cropPicture(hash, image.current, crop).catch(tellError);
    setCrop(undefined);
    if (!kept) return;
    show(
      kept,
      among.flatMap((one) => (one === hash ? [hash, kept] : one)),
    );
    tellDone(m.cropped, part);
  };
  const press = (event: KeyboardEvent) => {
    if ((event.target as Element).closest('.menu')) return;
    if (event.key === 'ArrowLeft') go(-1);
    else if (event.key === 'ArrowRight') go(1);
    else if (event.key === 'Delete' || event.key === 'Backspace') discard();
    else return;
    event.preventDefault();
  };
  return (
    <dialog
      ref={dialog}
      class="preview"
      aria-label={name}
      onKeyDown={press}
      onClose={() => {
        seen.value = undefined;
      }}
    >
      <div class="heading">
        <p class="clip">
          <strong>{name}</strong> {classId ? classNames.value.get(classId) : messages.value.collect.unsorted}
        </p>
        <p class="muted">{m.place(at + 1, there.length)}</p>
      </div>
      <div class="large-picture">
        <div class="framed">
          <img ref={image} src={previewUrl(hash)} alt={name} />
          {crop && <CropBox box={crop} onBox={setCrop} />}
        </div>
      </div>
      <div class="actions">
        <button type="button" disabled={at <= 0} onClick={() => go(-1)}>
          {m.before}
        </button>
        <button type="button" disabled={at < 0 || at === there.length - 1} onClick={() => go(1)}>
          {m.after}
        </button>
        <Menu
          title={messages.value.collect.moveTo}
          items={() => [
            ...classItems(classId ? [classId] : [], (id) => place([hash], id, part)),
            newClassItem((id) => place([hash], id, part)),
          ]}
        >
          {messages.value.collect.moveTo}
          <Icon name="open" />
        </Menu>
        {crop ? (
          <>
            <button type="button" class="primary" onClick={() => void cut()}>
              {m.cut}
            </button>
            <button type="button" onClick={() => setCrop(undefined)}>
              {m.noCrop}
            </button>
          </>
        ) : (
          <button type="button" onClick={() => image.current && setCrop(squareOf(image.current))}>
            {m.crop}
          </button>
        )}
        <button type="button" aria-keyshortcuts="Delete" onClick={discard}>
          {messages.value.collect.discard}
        </button>
        <button type="button" class="last" onClick={() => dialog.current?.close()}>
          {messages.value.close}
        </button>
      </div>
      {crop && <p class="muted small">{m.cropHint}</p>}
      <Undoable />
    </dialog>
  );
}
