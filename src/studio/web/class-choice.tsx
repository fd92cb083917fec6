import { messages } from './messages.ts';
import { board } from './store.ts';

/** A choice among the classes that have no button of their own beside it. */
export function ClassChoice({
  label,
  except,
  onChoose,
}: {
  /** For screen readers. */
  label: string;
  except: readonly string[];
  onChoose(classId: string): void;
}) {
  const others = board.value.classes.filter(({ id }) => !except.includes(id));
  if (others.length === 0) return null;
  return (
    <select
      aria-label={label}
      value=""
      onChange={({ currentTarget }) => currentTarget.value && onChoose(currentTarget.value)}
    >
      <option value="">{messages.value.next.another}</option>
      {others.map(({ id, name }) => (
        <option key={id} value={id}>
          {name}
        </option>
      ))}
    </select>
  );
}
