import { sameName } from '../board.ts';
import { Icon } from './icons.tsx';
import { Menu, type MenuItem } from './menu.tsx';
import { messages } from './messages.ts';
import { board, perform } from './store.ts';

/** A choice of a class, without the classes that have buttons beside it. */
export function ClassChoice({
  label,
  text = messages.value.next.another,
  except,
  onOpen,
  onChoose,
}: {
  /** Accessible label, if the choice's text does not say what it is for. */
  label: string;
  text?: string;
  except: readonly string[];
  onOpen?(): void;
  onChoose(classId: string): void;
}) {
  const items = () => [...classItems(except, onChoose), newClassItem(onChoose)];
  return (
    <Menu title={label} items={items} onOpen={onOpen}>
      {text}
      <Icon name="open" />
    </Menu>
  );
}

/** An entry that asks for a name, and chooses the class of that name. The class is made if it does not exist. */
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
