import { mkdir, writeFile } from 'node:fs/promises';
import { Server } from 'node:net';
import { networkInterfaces } from 'node:os';
import { afterAll, beforeAll, expect, it, vi } from 'vitest';
import { fakeEncoder, picture, workspace } from '../classifier/fake-encoder.fixture.ts';
import { networkAddresses } from './phone.ts';
import { type Studio, startStudio } from './start.ts';
import type { PhoneStatus } from './status.ts';

/** 127.0.0.1 stands for the address in a network, so that the test needs none. */
vi.mock(import('node:os'), async (original) => ({
  ...(await original()),
  networkInterfaces: vi.fn(() => ({ wifi: [NETWORK] as never })),
}));
const NETWORK = { family: 'IPv4', internal: false, address: '127.0.0.1' };

const at = workspace();
const listened: unknown[] = [];
let studio: Studio;

beforeAll(async () => {
  const listen = Server.prototype.listen;
  vi.spyOn(Server.prototype, 'listen').mockImplementation(function (this: Server, ...args: unknown[]) {
    // The lock of the session is a socket of the file system.
    if (typeof args[0] === 'number') listened.push(args[1]);
    return listen.apply(this, args as never);
  });
  await mkdir(at('assets'));
  await writeFile(at('index.html'), 'the studio');
  await writeFile(at('phone.html'), 'the page of the phone');
  studio = await startStudio({ folder: at('session'), encoder: fakeEncoder(), page: at() });
  await studio.session.change({ command: { do: 'add-class', id: 'cats', name: 'cat' } });
});
afterAll(() => studio.close());

const ask = (open: boolean, address = '127.0.0.1') =>
  fetch(`${studio.address}/api/phone`, {
    method: 'POST',
    body: JSON.stringify({ open, address, classId: 'cats' }),
  });
async function opened(): Promise<{ root: string; token: string; status: PhoneStatus }> {
  expect((await ask(true)).status).toBe(200);
  const status = studio.session.status.phone!;
  const { origin, hash } = new URL(status.url);
  return { root: origin, token: hash.slice(1), status };
}
const refusal = async (answer: Response) => [answer.status, ((await answer.json()) as { code: string }).code];
const as = (token: string) => ({ authorization: `Bearer ${token}` });
const send = async (root: string, token: string, query: string, body: Uint8Array) =>
  fetch(`${root}/pictures?${query}`, { method: 'POST', headers: as(token), body: body as never });

it('listens on this computer alone until a person agrees, and then only at an address of its networks', async () => {
  expect(await (await fetch(`${studio.address}/api/phone`)).json()).toEqual(['127.0.0.1']);
  for (const address of ['0.0.0.0', '::', 'localhost', '192.0.2.77']) {
    expect(await refusal(await ask(true, address))).toEqual([400, 'studio/no-network']);
  }
  expect(studio.session.status.phone).toBeUndefined();
  expect(listened).toEqual(['127.0.0.1']);
});

it('serves only its page without the token, and no other route of the studio', async () => {
  const { root, token } = await opened();
  expect(root).toMatch(/^http:\/\/127\.0\.0\.1:\d+$/);
  expect(await (await fetch(root)).text()).toBe('the page of the phone');
  for (const wrong of ['', 'x', `${token}x`]) {
    expect((await fetch(`${root}/classes`, { headers: as(wrong) })).status).toBe(401);
    expect((await send(root, wrong, 'class=cats&name=a.png', await picture('cat', 1))).status).toBe(401);
  }
  expect(studio.session.board.pictures.size).toBe(0);
  for (const path of [
    '/api/board',
    '/api/events',
    '/index.html',
    '/session/session.jsonl',
    '/assets/%2e%2e/session.jsonl',
  ])
    expect((await fetch(root + path, { headers: as(token) })).status).toBe(404);
  const foreign = { ...as(token), origin: 'http://evil.example' };
  expect((await fetch(`${root}/classes`, { headers: foreign })).status).toBe(403);
});

it('adds a picture to the chosen class, and says why it refuses another', async () => {
  const { root, token } = await opened();
  expect(await (await fetch(`${root}/classes`, { headers: as(token) })).json()).toEqual({
    classes: [{ id: 'cats', name: 'cat' }],
    chosen: 'cats',
  });
  const cat = await picture('cat', 1);
  const sent = () => send(root, token, 'class=cats&name=cat.png', cat);
  expect(await (await sent()).json()).toEqual({ isNew: true });
  expect(await (await sent()).json()).toEqual({ isNew: false });
  expect([...studio.session.board.pictures.values()]).toMatchObject([{ name: 'cat.png', classId: 'cats' }]);
  expect(studio.session.status.phone?.arrived).toBe(1);
  const refused = async (query: string, body: Uint8Array) => refusal(await send(root, token, query, body));
  expect(await refused('class=dogs&name=a.png', cat)).toEqual([400, 'studio/no-class']);
  expect(await refused('class=cats&name=a.png', Buffer.from('hello'))).toEqual([400, 'image/not-an-image']);
  expect((await refused(`class=cats&name=${'a'.repeat(501)}`, await picture('cat', 2)))[0]).toBe(400);
  expect(studio.session.board.pictures.size).toBe(1);
});

it('has a new token at each opening, and closes at once on request and with the last page', async () => {
  const first = await opened();
  const [second] = [await opened(), await opened()];
  await expect(fetch(first.root)).rejects.toThrow();
  await expect(fetch(second.root)).rejects.toThrow();
  const third = studio.session.status.phone!;
  expect(new Set([first.status.url, second.status.url, third.url]).size).toBe(3);
  await ask(false);
  await expect(fetch(third.url)).rejects.toThrow();
  const { root } = await opened();
  const left = studio.session.watch(() => {});
  vi.useFakeTimers();
  left();
  await vi.runAllTimersAsync();
  vi.useRealTimers();
  await vi.waitFor(() => expect(studio.session.status.phone).toBeUndefined());
  await expect(fetch(root)).rejects.toThrow();
});

it('lists the address that a phone most probably reaches first', () => {
  vi.mocked(networkInterfaces).mockReturnValueOnce({
    docker: [{ ...NETWORK, address: '172.17.0.1' }],
    self: [
      { ...NETWORK, address: '169.254.1.1' },
      { ...NETWORK, internal: true, address: '127.0.0.1' },
    ],
    campus: [
      { ...NETWORK, address: '203.0.113.9' },
      { ...NETWORK, family: 'IPv6', address: 'fd00::2' },
    ],
    home: [{ ...NETWORK, address: '192.168.1.7' }],
  } as never);
  expect(networkAddresses()).toEqual(['192.168.1.7', '172.17.0.1', '203.0.113.9']);
});
