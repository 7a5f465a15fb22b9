import assert from "node:assert/strict";
import { Amount } from "../../../lib/caller/usage/amount.ts";
import { Book } from "../../../lib/caller/usage/book.ts";
import { usagePath } from "../../../lib/caller/usage/files.ts";
import { Periods } from "../../../lib/caller/usage/period.ts";
import { UsageMemory } from "../../../lib/caller/usage/usage_memory.ts";
import { temporaryFolder } from "../../support/processes.ts";

Deno.test("what is booked while others are being written is written before it is acknowledged", async () => {
  await using folder = await temporaryFolder();
  const now = Date.UTC(2026, 10, 26, 12);
  const periods = new Periods("UTC");
  const book = new Book({
    dataDir: folder.path,
    memory: UsageMemory.create(),
    events: { torn() {}, odd() {}, failed: assert.fail, written() {} },
    periods: () => periods,
    now: () => now,
    onBooked: () => {},
    onRead: () => {},
  });
  const amount = new Amount();
  amount.prompt = -5;
  const correct = (name: string) =>
    book.correct({ scope: "key", name, period: "2026-11-26" }, amount);
  correct("first");
  const underWay = book.flush();
  correct("second");
  await book.written();
  const text = await Deno.readTextFile(usagePath(folder.path, "2026-11"));
  assert.match(text, /"first"/);
  assert.match(text, /"second"/);
  await underWay;
  await book.close(1000);
});
