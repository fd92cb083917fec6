import type { MiddlewareHandler } from 'hono';

/** No inline script or style, no frame, nothing from anywhere else; pictures of the camera and dropped ones are blobs. */
const POLICY = [
  "default-src 'none'",
  "script-src 'self'",
  "style-src 'self'",
  "img-src 'self' blob: data:",
  "media-src 'self' blob:",
  "connect-src 'self'",
  "base-uri 'none'",
  "form-action 'none'",
  "frame-ancestors 'none'",
].join('; ');

const HEADERS: Readonly<Record<string, string>> = {
  'content-security-policy': POLICY,
  'cross-origin-opener-policy': 'same-origin',
  'cross-origin-resource-policy': 'same-origin',
  'permissions-policy': 'camera=(self), microphone=(), geolocation=()',
  'referrer-policy': 'no-referrer',
  'x-content-type-options': 'nosniff',
};

const OWN_NAMES = ['127.0.0.1', 'localhost', '[::1]'];

/**
 * Lets in only pages of this server: a foreign name in `Host` is DNS rebinding, a foreign `Origin` or `Sec-Fetch-Site` is
 * another site's page in the same browser.
 */
export const guard: MiddlewareHandler = async (c, next) => {
  const host = c.req.header('host') ?? '';
  const origin = c.req.header('origin');
  const site = c.req.header('sec-fetch-site') ?? 'none';
  const isOwn =
    OWN_NAMES.includes(host.replace(/:\d+$/, '')) &&
    (origin === undefined || origin === `http://${host}`) &&
    (['none', 'same-origin'].includes(site) || (c.req.method === 'GET' && c.req.path === '/'));
  if (!isOwn) return c.json({ code: 'studio/foreign', message: 'Only the studio itself may ask' }, 403);
  await next();
  for (const [name, value] of Object.entries(HEADERS)) c.header(name, value);
};
