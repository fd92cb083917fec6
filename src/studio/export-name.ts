/** The first part of the names of exported files: the project's name, made safe for all systems. */
export function exportName(project: string, otherwise = 'classifier'): string {
  const plain = project
    .normalize('NFC')
    .replace(/[<>:"/\\|?*\p{C}\s]+/gu, '-')
    .replace(/^[-.]+|[-.]+$/g, '');
  return [...plain].slice(0, LONGEST).join('') || otherwise;
}

const LONGEST = 60;
