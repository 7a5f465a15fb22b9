// What an HTTP message is made of, as far as server and forward share it. Parsing bytes is left to
// head.ts and body.ts, the meaning of single headers to forward/header_rules.ts.

/** Header fields in the order they came: names in lower case, values as sent, one pair a line. */
export type HeaderList = readonly (readonly [name: string, value: string])[];

/** A request's target without its query. */
export function pathOf(target: string): string {
  const query = target.indexOf("?");
  return query < 0 ? target : target.slice(0, query);
}

/** The first value of a header, or undefined. `name` must be in lower case. */
export function header(headers: HeaderList, name: string): string | undefined {
  for (const pair of headers) if (pair[0] === name) return pair[1];
  return undefined;
}
