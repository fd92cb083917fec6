import { signal } from '@preact/signals';
import { useEffect, useRef, useState } from 'preact/hooks';
import { api } from './api.ts';
import { Icon } from './icons.tsx';
import { messages } from './messages.ts';
import { QrCode } from './qr-code.tsx';
import { status, tellError } from './store.ts';

/** The class that a phone is to take pictures of; undefined if its dialog is closed. */
export const phoneFor = signal<string | undefined>(undefined);

/**
 * Lets a phone in the same network send pictures, once the person has agreed to an address. Closing the dialog does not end that, and a
 * notice then says so.
 */
export function Phone() {
  const m = messages.value.phone;
  const dialog = useRef<HTMLDialogElement>(null);
  const open = status.value?.phone;
  useEffect(() => dialog.current?.showModal(), []);
  return (
    <dialog
      ref={dialog}
      class="camera"
      aria-labelledby="phone-heading"
      onClose={() => {
        phoneFor.value = undefined;
      }}
    >
      <h2 id="phone-heading">{m.heading}</h2>
      {open ? <Code url={open.url} arrived={open.arrived} /> : <Question />}
      <div class="actions">
        {open && (
          <button type="button" onClick={stopListening}>
            {m.stop}
          </button>
        )}
        <button type="button" class="last" onClick={() => dialog.current?.close()}>
          {open ? messages.value.camera.done : m.no}
        </button>
      </div>
    </dialog>
  );
}

/** Asks whether this computer may listen, and at which of its addresses. */
function Question() {
  const m = messages.value.phone;
  const [addresses, setAddresses] = useState<readonly string[]>();
  const [address, setAddress] = useState('');
  useEffect(() => {
    void api.networkAddresses().then((found) => {
      setAddresses(found);
      setAddress(found[0] ?? '');
    }, tellError);
  }, []);
  if (!addresses) return null;
  if (addresses.length === 0) return <p class="problem">{m.noNetwork}</p>;
  return (
    <>
      <p>{m.question(address)}</p>
      <p class="muted">{m.risk}</p>
      <div class="actions">
        {addresses.length > 1 && (
          <label>
            {m.address}
            <select value={address} onChange={({ currentTarget }) => setAddress(currentTarget.value)}>
              {addresses.map((one) => (
                <option key={one}>{one}</option>
              ))}
            </select>
          </label>
        )}
        <button
          type="button"
          class="primary"
          onClick={() => void api.openToPhone(address, phoneFor.value ?? '').catch(tellError)}
        >
          {m.yes}
        </button>
      </div>
    </>
  );
}

function Code({ url, arrived }: { url: string; arrived: number }) {
  const m = messages.value.phone;
  return (
    <>
      <p>{m.scan}</p>
      <QrCode text={url} label={m.code} />
      <p class="address">{url}</p>
      <p role="status">{m.arrived(arrived)}</p>
      <p class="muted small">{m.noAnswer}</p>
    </>
  );
}

const stopListening = () => void api.closeToPhone().catch(tellError);

/** Says that a phone can send pictures while the dialog is closed, in every page of the studio. */
export function PhoneNotice() {
  const m = messages.value.phone;
  const open = status.value?.phone;
  if (!open || phoneFor.value !== undefined) return null;
  return (
    <div class="notice">
      <div>
        {m.isOpen(new URL(open.url).host)} {m.arrived(open.arrived)}
      </div>
      <button
        type="button"
        onClick={() => {
          phoneFor.value = open.classId ?? '';
        }}
      >
        <Icon name="phone" />
        {m.show}
      </button>
      <button type="button" onClick={stopListening}>
        {m.stop}
      </button>
    </div>
  );
}
