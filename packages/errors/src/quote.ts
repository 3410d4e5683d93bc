/** A value as a message names it: JSON on one line, cut after `max` characters. */
export function quote(value: unknown, max = 100): string {
  const cut = (text: string): string => (text.length > max ? `${text.slice(0, max)}…` : text);
  return typeof value === 'string' ? JSON.stringify(cut(value)) : cut(JSON.stringify(value) ?? 'nothing');
}
