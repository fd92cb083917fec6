import { spawnSync } from 'node:child_process';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { delimiter, dirname, join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { parse, parseAllDocuments } from 'yaml';
import { PREFIX, QUEUE } from '../src/scale/job-queue.ts';
import { commandFault } from './command-lines.ts';
import { read, root } from './documents.ts';

// biome-ignore lint/suspicious/noExplicitAny: manifests have many forms; the tests check those that they use.
type Manifest = any;

const KUBERNETES = 'deploy/kubernetes';
const files = readdirSync(join(root, KUBERNETES)).map((name) => `${KUBERNETES}/${name}`);
const manifests: Manifest[] = files.flatMap((file) =>
  parseAllDocuments(read(file)).map((document) => document.toJS()),
);
const ofKind = (kind: string) => manifests.filter((manifest) => manifest.kind === kind);
const compose: Manifest = parse(read('deploy/compose.yaml'), { merge: true });
const dockerfile = read('deploy/Dockerfile');
const page = read('docs/deployment.md');

/** Containers of the image: their command lines, environment and probes. */
const containers: { where: string; line: string; environment: string[] }[] = [
  ...Object.entries<Manifest>(compose.services)
    .filter(([, { image }]) => image === 'tip-adapter')
    .map(([name, { command, environment = {} }]) => ({
      where: `compose.yaml: ${name}`,
      line: lineOf(command),
      environment: Object.keys(environment),
    })),
  ...ofKind('Deployment').flatMap(({ metadata, spec }) =>
    spec.template.spec.containers.map(({ image, args, env = [] }: Manifest) => {
      expect(image).toBe('tip-adapter');
      const environment = env.map(({ name }: Manifest) => name);
      return { where: metadata.name, line: lineOf(args), environment };
    }),
  ),
];

/** A command line, with the variables of compose files replaced by their defaults. */
function lineOf(words: readonly string[]): string {
  return words.map((word) => word.replace(/\$\{\w+:-([^}]*)\}/g, '$1')).join(' ');
}

describe('the deployment', () => {
  it('uses only commands, options and variables that the program has', async () => {
    expect(containers.map(({ where }) => where)).toContain('tip-adapter-server');
    const sources = readdirSync(join(root, 'src'), { recursive: true, encoding: 'utf8' })
      .filter((name) => /(?<!\.test|\.fixture)\.ts$/.test(name))
      .map((name) => readFileSync(join(root, 'src', name), 'utf8'))
      .join('\n');
    for (const { where, line, environment } of containers) {
      const fault = await commandFault(line);
      expect(fault, `${where}: ${line}`).toBeUndefined();
      for (const name of environment) expect(sources, `${where}: ${name}`).toContain(name);
    }
    const onPage = [...page.matchAll(/^docker compose run --rm worker (.*)$/gm)].map(([, line]) => line!);
    expect(onPage).not.toEqual([]);
    for (const line of onPage) expect(await commandFault(line), line).toBeUndefined();
    const [, pull] = /main\.js (encoders pull) "\$ENCODER"/.exec(dockerfile) ?? [];
    expect(await commandFault(`${pull} resnet50-minilm`)).toBeUndefined();
  });

  it('probes ports and paths that exist', () => {
    const paths = [...dockerfile.matchAll(/127\.0\.0\.1:\d+(\/\w+)/g)].map(([, path]) => path);
    expect(paths).toEqual(['/readyz']);
    for (const { spec } of ofKind('Deployment')) {
      for (const { ports, args, ...container } of spec.template.spec.containers) {
        const [{ name, containerPort }] = ports;
        const at = args.indexOf('--port');
        expect(containerPort).toBe(at < 0 ? 8080 : Number(args[at + 1]));
        for (const probe of ['startupProbe', 'readinessProbe', 'livenessProbe']) {
          if (!container[probe]) continue;
          expect(container[probe].httpGet.port).toBe(name);
          expect(['/healthz', '/readyz']).toContain(container[probe].httpGet.path);
        }
      }
    }
  });

  it('refers only to what it defines or the page says how to make', () => {
    const workloads = ofKind('Deployment').map(({ metadata }) => metadata.name);
    for (const { spec } of [...ofKind('HorizontalPodAutoscaler'), ...ofKind('ScaledObject')])
      expect(workloads).toContain(spec.scaleTargetRef.name);
    const labels = ofKind('Deployment').map(({ spec }) => spec.template.metadata.labels);
    for (const { spec } of [...ofKind('Service'), ...ofKind('PodDisruptionBudget')])
      expect(labels).toContainEqual(spec.selector.matchLabels ?? spec.selector);
    const secrets = [
      ...JSON.stringify(manifests).matchAll(/"(?:secretKeyRef|secretRef)":\{"name":"([^"]+)"/g),
    ].map(([, name]) => name!);
    expect(secrets.length).toBeGreaterThan(1);
    for (const name of secrets) expect(page).toContain(`kubectl create secret generic ${name} `);
    const claims = [...JSON.stringify(manifests).matchAll(/"claimName":"([^"]+)"/g)].map(([, name]) => name!);
    for (const name of claims) expect(page).toContain(`\`${name}\``);
    const lists = ofKind('ScaledObject').flatMap(({ spec }) =>
      spec.triggers.map(({ metadata }: Manifest) => metadata.listName),
    );
    expect(lists).toEqual([`${PREFIX}:${QUEUE}:wait`, `${PREFIX}:${QUEUE}:active`]);
    const [{ resources, images }] = ofKind('Kustomization');
    expect([...resources, 'kustomization.yaml'].sort()).toEqual(readdirSync(join(root, KUBERNETES)).sort());
    expect(images[0].name).toBe('tip-adapter');
  });

  it('runs without privileges, on a root that is read-only', () => {
    for (const { spec } of ofKind('Deployment')) {
      const { securityContext, containers: own } = spec.template.spec;
      expect(securityContext.runAsNonRoot).toBe(true);
      for (const container of own) {
        expect(container.securityContext).toMatchObject({
          allowPrivilegeEscalation: false,
          readOnlyRootFilesystem: true,
          capabilities: { drop: ['ALL'] },
        });
      }
    }
    for (const service of Object.values<Manifest>(compose.services))
      if (service.image === 'tip-adapter')
        expect(service).toMatchObject({ read_only: true, cap_drop: ['ALL'] });
    expect(dockerfile).toMatch(/^USER 65532:65532$/m);
  });

  it('builds from files that exist', () => {
    const ignored = read('deploy/Dockerfile.dockerignore').split('\n');
    const kept = ignored.filter((line) => line.startsWith('!')).map((line) => line.slice(1));
    for (const path of kept) expect(existsSync(join(root, path)), path).toBe(true);
    for (const [, path] of dockerfile.matchAll(/^COPY (\S+) \S+$/gm))
      if (path !== '.') expect(kept).toContain(path);
  });
});

const python = process.env.PYTHON;
const program = (name: string) =>
  [...(python ? [dirname(python)] : []), ...(process.env.PATH ?? '').split(delimiter)]
    .map((folder) => join(folder, name))
    .find((path) => existsSync(path));

describe.each([
  ['check-jsonschema', ['--builtin-schema', 'vendor.compose-spec', 'deploy/compose.yaml']],
  ['kubernetes-validate', ['--strict', '--no-warn', ...files]],
  ['hadolint', ['deploy/Dockerfile']],
])('%s (PyPI)', (name, args) => {
  const path = program(name);
  it.skipIf(!path)(`accepts ${args.at(-1)}${path ? '' : ` (skipped: ${name} is not installed)`}`, () => {
    const { status, stdout, stderr } = spawnSync(path!, args, { cwd: root, encoding: 'utf8' });
    expect(status, stdout + stderr).toBe(0);
  });
});
