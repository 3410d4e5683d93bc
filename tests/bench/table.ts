export interface Row {
  readonly name: string;
  readonly value: number;
  readonly unit: string;
  /** The goal in the requirements. No figure is judged by it. */
  readonly target?: string;
}

const figure = (value: number): string => (Math.abs(value) >= 100 ? Math.round(value).toLocaleString('en') : value.toFixed(2));

/** A line of JSON for programs and a table for people. */
export function print(rows: readonly Row[]): void {
  for (const row of rows) console.log(JSON.stringify(row));
  const width = Math.max(...rows.map(({ name }) => name.length));
  for (const { name, value, unit, target } of rows)
    console.error(`${name.padEnd(width)}  ${figure(value).padStart(10)} ${unit.padEnd(14)} ${target ?? ''}`);
}
