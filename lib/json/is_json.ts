// Whether a text is JSON as a whole: what was cut short or changed may be none any more.

export function isJson(text: string): boolean {
  try {
    JSON.parse(text);
    return true;
  } catch {
    // That is the answer.
    return false;
  }
}
