import type { Hono } from 'hono';
import { z } from 'zod';
import { Refusal } from '../server/problem.ts';
import { changeProject } from './answers.ts';
import type { StudioDesk } from './disk-workspace.ts';
import { importSample, samplesOf, sampleToTry } from './import-pictures.ts';
import { MOST } from './limits.ts';
import { bytes, parsed } from './route-tools.ts';

const name = z.string().trim().min(1).max(MOST.projectName);
const projectSchema = z.discriminatedUnion('do', [
  z.object({ do: z.literal('open'), id: z.string().max(64) }),
  z.object({ do: z.literal('create'), name }),
  z.object({ do: z.literal('duplicate'), name }),
]);

/** The projects of the workspace, and the sample. */
export function projectRoutes(app: Hono, desk: StudioDesk): void {
  app.get('/projects', async (c) => c.json(await desk.projects()));

  app.post('/projects', async (c) => {
    return c.json(await changeProject(desk, await parsed(c, projectSchema)));
  });

  app.post('/sample', async (c) => {
    await importSample(desk.session, c.req.raw.signal);
    return c.json({});
  });

  app.get('/samples', (c) => c.json(samplesOf(desk.session)));

  app.get('/samples/:thing', async (c) => {
    const picture = await sampleToTry(c.req.param('thing'));
    if (!picture) throw new Refusal(404, 'There is no such sample', { code: 'studio/not-found' });
    return bytes(c, picture, { 'content-type': 'image/png' });
  });
}
