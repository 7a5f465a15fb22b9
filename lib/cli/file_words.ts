// What is said of a file that cannot be read: the runtime's own words name the system's calls and numbers.

/** "nofile.jsonl does not exist", "a.json cannot be read: Permission denied"; other errors as they are. */
export function fileWords(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  const found = /^(.*?) \(os error \d+\)(?:: \w+ '(.*)')?$/s.exec(error.message);
  if (found === null) return error.message;
  const [, reason, path] = found;
  if (path === undefined) return reason;
  return error instanceof Deno.errors.NotFound
    ? `${path} does not exist`
    : `${path} cannot be read: ${reason}`;
}
