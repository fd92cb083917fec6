import { computed, signal } from '@preact/signals';
import { nameKey } from '../../dataset/names.ts';
import { board, check, picturesByClass } from './store.ts';
import { alikeSets, suspects, unsure } from './trouble.ts';

/** The part of the board that is shown, and its order. Only this page's view changes, never the board. */
export const FILTERS = ['all', 'unsure', 'suspects', 'alike'] as const;
export type Filter = (typeof FILTERS)[number];
export const SORTS = ['made', 'name', 'size', 'trouble'] as const;
type Sort = (typeof SORTS)[number];

/** A part of the names of the shown classes. */
export const wantedName = signal('');
const chosenFilter = signal<Filter>('all');
const collapsed = signal<ReadonlySet<string>>(new Set());
/** Ids of classes in the order of the latest sorting. Classes that are made later come after them. */
const order = signal<readonly string[]>([]);

/** Before the first check, there is nothing to filter by. */
export const filter = computed<Filter>(() => (check.value ? chosenFilter.value : 'all'));

/** The pictures that pass the filter. Undefined if all pass. */
const passing = computed<ReadonlySet<string> | undefined>(() => {
  switch (filter.value) {
    case 'unsure':
      return new Set(unsure.value.map(({ hash }) => hash));
    case 'suspects':
      return new Set(suspects.value.map(({ hash }) => hash));
    case 'alike':
      return new Set(alikeSets.value.flat());
    default:
      return undefined;
  }
});

interface ShownClass {
  /** Pictures that pass the filter. Empty if the class is collapsed. */
  readonly hashes: readonly string[];
  /** Number of pictures that pass the filter. */
  readonly passing: number;
  readonly isCollapsed: boolean;
}

/** The shown classes in their order. `''` has the unsorted pictures. */
export const shown = computed<ReadonlyMap<string, ShownClass>>(() => {
  const found = new Map<string, ShownClass>();
  const wanted = nameKey(wantedName.value);
  const place = new Map(order.value.map((id, i) => [id, i]));
  const placeOf = ({ id }: { id: string }) => place.get(id) ?? place.size;
  const sorted = board.value.classes.toSorted((a, b) => placeOf(a) - placeOf(b));
  const add = (id: string) => {
    const all = picturesByClass.value.get(id) ?? [];
    const passed = passing.value ? all.filter((hash) => passing.value?.has(hash)) : all;
    if (passed.length === 0 && (passing.value || id === '')) return;
    const isCollapsed = collapsed.value.has(id);
    found.set(id, { hashes: isCollapsed ? [] : passed, passing: passed.length, isCollapsed });
  };
  if (wanted === '') add('');
  for (const { id, name } of sorted) if (nameKey(name).includes(wanted)) add(id);
  return found;
});

/** Whether a picture is in the list: its class is shown and open, and the picture passes the filter. */
export function isShown(hash: string): boolean {
  const picture = board.value.pictures.get(hash);
  const own = picture && shown.value.get(picture.classId ?? '');
  return own !== undefined && !own.isCollapsed && (passing.value?.has(hash) ?? true);
}

/** Whether something is left out of the list by name or filter. */
export const isNarrowed = computed(() => wantedName.value.trim() !== '' || filter.value !== 'all');

export function filterBy(next: Filter): void {
  chosenFilter.value = next;
}

export function showAll(): void {
  wantedName.value = '';
  chosenFilter.value = 'all';
}

/** Collapses a class, or opens it. */
export function fold(id: string, folds: boolean): void {
  const next = new Set(collapsed.value);
  if (folds) next.add(id);
  else next.delete(id);
  collapsed.value = next;
}

/** Whether every class that is shown is collapsed. */
export const areAllFolded = computed(() => [...shown.value.values()].every(({ isCollapsed }) => isCollapsed));

export function foldAll(folds: boolean): void {
  collapsed.value = new Set(folds ? ['', ...board.value.classes.map(({ id }) => id)] : []);
}

const collator = new Intl.Collator(undefined, { numeric: true });

/** Sorts the classes once: they keep their places while pictures are moved and checked. */
export function sortBy(sort: Sort): void {
  const { classes } = board.value;
  const size = (id: string) => picturesByClass.value.get(id)?.length ?? 0;
  const trouble = troubleOf();
  const sorted = classes.toSorted((a, b) => {
    if (sort === 'name') return collator.compare(a.name, b.name);
    if (sort === 'size') return size(b.id) - size(a.id);
    return (trouble.get(b.id) ?? -1) - (trouble.get(a.id) ?? -1);
  });
  order.value = sort === 'made' ? [] : sorted.map(({ id }) => id);
}

/** The share of left-out pictures of each tested class that were not recognised. */
function troubleOf(): ReadonlyMap<string, number> {
  const { classes = [], perClass = [] } = check.value ?? {};
  return new Map(
    classes.flatMap(({ id }, c) => {
      const { correct, total } = perClass[c]!;
      return total === 0 ? [] : [[id, 1 - correct / total] as const];
    }),
  );
}
