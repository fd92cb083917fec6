import { Icon } from './icons.tsx';
import { Menu, type MenuItem } from './menu.tsx';
import { messages } from './messages.ts';
import { board } from './store.ts';

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
  const items = () => classItems(except, onChoose);
  if (items().length === 0) return null;
  return (
    <Menu title={label} items={items}>
      {text}
      <Icon name="open" />
    </Menu>
  );
}

/** The classes as entries of a menu. */
export function classItems(except: readonly string[], onChoose: (classId: string) => void): MenuItem[] {
  return board.value.classes
    .filter(({ id }) => !except.includes(id))
    .map(({ id, name }) => ({ key: id, text: name, act: () => onChoose(id) }));
}
