// Lines of commands that may go on for long: the runtime's own way to write one does not tell that nobody reads any
// more, as after `| head`.

const encoder = new TextEncoder();

/** Whoever read standard output has enough: the command is done. */
export class NobodyReads extends Error {
  override readonly name = "NobodyReads";
}

/** Writes a line to standard output. Throws NobodyReads, and as the system does. */
export function print(line: string): void {
  const bytes = encoder.encode(`${line}\n`);
  try {
    for (let at = 0; at < bytes.length;) at += Deno.stdout.writeSync(bytes.subarray(at));
  } catch (error) {
    throw error instanceof Deno.errors.BrokenPipe ? new NobodyReads() : error;
  }
}
