import type { Hono } from 'hono';
import { z } from 'zod';
import type { StudioDesk } from './disk-workspace.ts';
import { networkAddresses } from './phone.ts';
import { parsed } from './route-tools.ts';

const wantedSchema = z.discriminatedUnion('open', [
  z.object({
    open: z.literal(true),
    address: z.string().max(64),
    classId: z.string().max(64).optional(),
  }),
  z.object({ open: z.literal(false) }),
]);

/** Opens and closes the server for a phone. `page` is the folder of the built page. */
export function phoneRoutes(app: Hono, desk: StudioDesk, page: string): void {
  app.get('/phone', (c) => c.json(networkAddresses()));

  app.post('/phone', async (c) => {
    const wanted = await parsed(c, wantedSchema);
    if (wanted.open) await desk.session.phone.open({ ...wanted, page });
    else await desk.session.phone.close();
    return c.json({});
  });
}
