// Changes to a text that comes in pieces, and what they leave of one of these.

/** Another text in place of [start, end). */
export interface Edit {
  readonly start: number;
  readonly end: number;
  readonly text: string;
}

/**
 * text, which stands at [from, to), with the edits that begin in it; of those that began before it loses
 * what they cover.
 */
export function edited(text: string, from: number, to: number, edits: readonly Edit[]): string {
  if (edits.length === 0) return text.slice(0, to - from);
  let result = "";
  let at = from;
  for (const { start, end, text: instead } of edits) {
    if (end <= from || start >= to) continue;
    if (start >= from) result += text.slice(at - from, start - from) + instead;
    at = Math.min(end, to);
  }
  return result + text.slice(at - from, to - from);
}
