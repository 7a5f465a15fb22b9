// The lines of a usage file as few as they can be: one for each row and each corrected counter.

import type { Amount } from "./amount.ts";
import { readLines } from "./lines.ts";
import { counterText, lineOf, type Row, textOf, writeLine } from "./row.ts";
import { writeAll } from "../../files/write_all.ts";

/** Lines that are made and written in one go: others wait no longer. */
const LINES = 500;

/**
 * Writes to `to` what the first `size` bytes of the file at `from` say, in fewer lines. Lines that say
 * nothing are left out; rows are written as `changed` has them.
 */
export async function sumUp(
  from: string,
  size: number,
  to: string,
  changed: (row: Row) => Row,
): Promise<void> {
  const sums = new Map<string, Amount>();
  {
    using file = await Deno.open(from);
    await readLines(file, 0, size, (line) => {
      const name = line.kind === "used" ? textOf(changed(line.row)) : counterText(line.counter);
      const sum = sums.get(name);
      if (sum === undefined) sums.set(name, line.amount);
      else sum.add(line.amount);
    });
  }
  using file = await Deno.open(to, { write: true, create: true, truncate: true, mode: 0o640 });
  const encoder = new TextEncoder();
  let [text, count] = ["", 0];
  for (const [name, amount] of sums) {
    text += writeLine(lineOf(name, amount));
    if (++count % LINES !== 0) continue;
    await writeAll(file, encoder.encode(text));
    text = "";
  }
  await writeAll(file, encoder.encode(text));
}
