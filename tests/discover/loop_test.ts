// The loop by which sources ask again and again.

import { Loop } from "../../lib/discover/loop.ts";
import { waitFor } from "../support/wait.ts";

Deno.test("news that come while it asks are asked for without a pause", async () => {
  const answer = Promise.withResolvers<void>();
  let times = 0;
  const loop = new Loop(async () => {
    times++;
    await answer.promise;
    return 600_000;
  }, () => {});
  try {
    await waitFor(() => times === 1, "the first question");
    loop.wake();
    answer.resolve();
    await waitFor(() => times === 2, "the second question", 10_000);
  } finally {
    await loop.close();
  }
});
