// The fast way from a config text to its values: JSON as nearly all files are, with comments and commas
// before a closing bracket. Whatever else there is in a text is left to parse.ts, which knows where it stands.

const [QUOTE, BACKSLASH, SLASH, STAR, COLON, COMMA] = [0x22, 0x5c, 0x2f, 0x2a, 0x3a, 0x2c];
const [OPEN_LIST, CLOSE_LIST, OPEN_OBJECT, CLOSE_OBJECT] = [0x5b, 0x5d, 0x7b, 0x7d];
/** What may stand between tokens: blank, tab, line feed, carriage return. */
const isBlank = (code: number) => code === 0x20 || code === 9 || code === 10 || code === 13;
const LINE_END = /[\n\r\u2028\u2029]/g;

/**
 * The values of `source`; undefined where it is not so plain, a name stands twice in an object, or it is nested
 * deeper than `maxDepth`.
 */
export function plainValue(source: string, maxDepth: number): unknown {
  const plain = plainText(source);
  if (plain === null) return undefined;
  let value: unknown;
  try {
    value = JSON.parse(plain.text);
  } catch {
    // The slow reader takes it, or says what is wrong and where.
    return undefined;
  }
  return membersOf(value, maxDepth) === plain.members ? value : undefined;
}

/** How many members all objects have together; NaN where they are nested too deeply. */
function membersOf(value: unknown, depth: number): number {
  if (depth < 0) return NaN;
  if (value === null || typeof value !== "object") return 0;
  const inner = Object.values(value);
  let sum = Array.isArray(value) ? 0 : inner.length;
  for (const one of inner) sum += membersOf(one, depth - 1);
  return sum;
}

/** The text without comments and last commas, and how many members are written in it; null where it is not plain. */
function plainText(source: string): { text: string; members: number } | null {
  /** Where something is left out, from and to, in order. */
  const cuts: [from: number, to: number][] = [];
  let members = 0;
  // The last two signs that are neither blank nor comment, and how many cuts there were at the last one.
  let [last, lastAt, before, cutsThen] = [0, 0, 0, 0];
  for (let at = 0; at < source.length; at++) {
    const code = source.charCodeAt(at);
    if (isBlank(code)) continue;
    if (code === SLASH) {
      const end = commentEnd(source, at);
      if (end < 0) return null;
      cuts.push([at, end]);
      at = end - 1;
      continue;
    }
    const closes = code === CLOSE_LIST || code === CLOSE_OBJECT;
    const isAfterValue = before !== OPEN_LIST && before !== OPEN_OBJECT && before !== COMMA &&
      before !== 0;
    if (closes && last === COMMA && isAfterValue) {
      cuts.splice(cutsThen, 0, [lastAt, lastAt + 1]);
    }
    if (code === COLON) members++;
    [before, last, lastAt, cutsThen] = [last, code, at, cuts.length];
    if (code === QUOTE) {
      at = stringEnd(source, at);
      if (at < 0) return null;
    }
  }
  if (cuts.length === 0) return { text: source, members };
  const pieces: string[] = [];
  let from = 0;
  for (const [start, end] of cuts) {
    pieces.push(source.slice(from, start));
    from = end;
  }
  pieces.push(source.slice(from));
  return { text: pieces.join(" "), members };
}

/** Where the string ends that begins at `at`; -1 where it does not. */
function stringEnd(source: string, at: number): number {
  for (let end = at + 1; end < source.length; end++) {
    const code = source.charCodeAt(end);
    if (code === QUOTE) return end;
    if (code === BACKSLASH) end++;
  }
  return -1;
}

/** Behind the comment at `at`; -1 where there is none, or it does not end. */
function commentEnd(source: string, at: number): number {
  const next = source.charCodeAt(at + 1);
  if (next === STAR) {
    const end = source.indexOf("*/", at + 2);
    return end < 0 ? -1 : end + 2;
  }
  if (next !== SLASH) return -1;
  LINE_END.lastIndex = at;
  return LINE_END.exec(source)?.index ?? source.length;
}
