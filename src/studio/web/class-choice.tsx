import { sameName } from '../board.ts';
import { Icon } from './icons.tsx';
import { Menu, type MenuItem } from './menu.tsx';
import { messages } from './messages.ts';
import { board, perform } from './store.ts';

/** A choice among the classes that have no button of their own beside it. */
export function ClassChoice({
  label,
  text = messages.value.next.another,
  except,
  onChoose,
}: {
  /** What it is a choice for, where its own text does not say it. */
  label: string;
  text?: string;
  except: readonly string[];
  onChoose(classId: string): void;
}) {
  const items = () => [...classItems(except, onChoose), newClassItem(onChoose)];
  return (
    <Menu title={label} items={items}>
      {text}
      <Icon name="open" />
    </Menu>
  );
}

/** An entry that makes a class of a name that is typed, or finds the one that has it, and chooses it. */
export function newClassItem(onChoose: (classId: string) => void): MenuItem {
  const m = messages.value.collect;
  return {
    key: 'new',
    text: m.newClassOf,
    name: (typed) => {
      const known = board.value.classes.find(({ name }) => sameName(name, typed));
      const id = known?.id ?? crypto.randomUUID();
      if (!known) perform({ do: 'add-class', id, name: typed });
      onChoose(id);
    },
  };
}

/** The classes as entries of a menu. */
export function classItems(except: readonly string[], onChoose: (classId: string) => void): MenuItem[] {
  return board.value.classes
    .filter(({ id }) => !except.includes(id))
    .map(({ id, name }) => ({ key: id, text: name, act: () => onChoose(id) }));
}
