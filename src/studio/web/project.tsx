import { signal } from '@preact/signals';
import { keptCopyName, MOST } from '../limits.ts';
import type { Projects } from '../status.ts';
import { ApiError, api } from './api.ts';
import { Icon } from './icons.tsx';
import { Menu, type MenuItem } from './menu.tsx';
import { messages } from './messages.ts';
import { saveFile } from './save-file.ts';
import { board, perform, saved, status, tellError } from './store.ts';
import { bringing } from './upload.ts';

const projects = signal<Projects | undefined>(undefined);

/** The name of the open project, and a menu of the others. */
export function Project() {
  const m = messages.value.project;
  const { name } = board.value;
  return (
    <div class="project">
      <input
        type="text"
        class="class-name"
        aria-label={m.name}
        title={status.value?.folder}
        placeholder={m.untitled}
        value={name}
        maxLength={MOST.projectName}
        spellcheck={false}
        onKeyDown={({ key, currentTarget }) => {
          if (key === 'Escape') currentTarget.value = name;
          if (key === 'Enter' || key === 'Escape') currentTarget.blur();
        }}
        onBlur={({ currentTarget }) => perform({ do: 'name', name: currentTarget.value.trim() })}
      />
      <Menu label={m.all} title={m.all} class="quiet square" items={items} onOpen={readProjects}>
        <Icon name="open" />
      </Menu>
    </div>
  );
}

function readProjects(): void {
  void api.projects().then((read) => {
    projects.value = read;
  }, tellError);
}

function items(): MenuItem[] {
  const m = messages.value.project;
  const { current, projects: all } = projects.value ?? { current: '', projects: [] };
  const numbered = m.numbered(all.length + 1);
  return [
    { key: 'create', text: m.create, act: () => void go({ do: 'create', name: numbered }) },
    {
      key: 'duplicate',
      text: m.duplicate,
      act: () => void go({ do: 'duplicate', name: keptCopyName(board.value.name || m.untitled, m.copyOf) }),
    },
    ...all.map(({ id, name, folder, pictures, problem }) => ({
      key: id,
      text: problem
        ? m.unreadable(id)
        : `${id === current ? '✓ ' : ''}${m.entry(name || m.untitled, pictures)}`,
      note: problem && api.rescue ? m.rescue : folder,
      act: () => {
        if (problem && api.rescue) void api.rescue(id).then(saveFile).catch(tellError);
        else if (id !== current) void go({ do: 'open', id });
      },
    })),
  ];
}

/** Opens another project, and reloads the page, because everything on it belongs to the one before. */
async function go(wanted: Parameters<typeof api.changeProject>[0]): Promise<void> {
  try {
    // The files that still come would be added to the other project.
    if (bringing.value)
      throw new ApiError(409, {
        code: 'studio/importing',
        message: 'Files are still being added. Change the project when all are there',
      });
    await saved();
    await api.changeProject(wanted);
    location.reload();
  } catch (error) {
    tellError(error);
  }
}
