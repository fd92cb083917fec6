import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Hono } from 'hono';
import { z } from 'zod';
import { sampleDataset } from '../dataset/sample-dataset.ts';
import { Refusal } from '../server/problem.ts';
import { changeProject } from './answers.ts';
import type { StudioDesk } from './disk-workspace.ts';
import { MOST } from './limits.ts';
import { bytes, parsed } from './route-tools.ts';
import { importSample, samplePathToTry, samplesOf } from './sample.ts';

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
    const { signal } = c.req.raw;
    const folder = await sampleDataset({ signal });
    await importSample(desk.session, (path) => readFile(join(folder, path)), signal);
    return c.json({});
  });

  app.get('/samples', (c) => c.json(samplesOf(desk.session)));

  app.get('/samples/:thing', async (c) => {
    const path = samplePathToTry(c.req.param('thing'));
    if (!path) throw new Refusal(404, 'There is no such sample', { code: 'studio/not-found' });
    return bytes(c, await readFile(join(await sampleDataset(), path)), { 'content-type': 'image/png' });
  });
}
