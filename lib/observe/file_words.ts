// What is said of a file that cannot be read or written: the runtime's own words name the system's calls and
// numbers.

import { DamagedFile } from "./packed_file.ts";

/** What the runtime calls the ways of reading. */
const READING = new Set(["readfile", "readdir", "stat", "lstat", "realpath"]);

/** "nofile.jsonl does not exist", "a.json cannot be read: Permission denied"; other errors as they are. */
export function fileWords(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  if (error instanceof Deno.errors.NotCapable) {
    // The runtime would have a flag of its own set.
    const [, place] = /^Requires all access to "(.*?)",/s.exec(error.message) ?? [];
    if (place !== undefined) {
      return `${place} is no place for files: a device or a part of the system`;
    }
  }
  const found = /^(.*?) \(os error \d+\)(?:: (\w+)(?: '(.*?)'.*)?)?$/s.exec(error.message);
  if (found === null) return error.message;
  const [, reason, call = "open", path] = found;
  if (path === undefined) return reason;
  if (error instanceof Deno.errors.NotFound) return `${path} does not exist`;
  // It may be opened for either.
  const done = call === "open" ? "opened" : READING.has(call) ? "read" : "written";
  return `${path} cannot be ${done}: ${reason}`;
}

const CODES = new Set(
  "ENOENT EACCES EPERM EISDIR ENOTDIR ELOOP ENAMETOOLONG ENOSPC EDQUOT EFBIG EROFS EIO EMFILE ENFILE EPIPE"
    .split(" "),
);

/** What the user can put right: a file that is missing, forbidden, of another kind, damaged or has no room. */
export function isFileProblem(error: unknown): error is Error {
  if (!(error instanceof Error)) return false;
  if (error instanceof DamagedFile) return true;
  if ("code" in error) return CODES.has(String(error.code));
  return error instanceof Deno.errors.NotFound || error instanceof Deno.errors.PermissionDenied ||
    error instanceof Deno.errors.BrokenPipe || error instanceof Deno.errors.IsADirectory;
}
