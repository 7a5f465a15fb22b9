// Who gets room for a body, who waits for it, and who is refused.

import assert from "node:assert/strict";
import { RequestError } from "../../lib/http/client.ts";
import { SharedState } from "../../lib/pool/shared_state.ts";
import { BodyRoom, type HeldBody, NoRoom } from "../../lib/server/body_room.ts";
import { waitFor } from "../support/wait.ts";

const MIB = 1024 * 1024;

/** A room of 16 MiB, 12 of which large bodies may take. */
class Stand implements Disposable {
  now = 0;
  readonly shared = SharedState.create();
  readonly room = this.roomOf(this.shared);

  roomOf(shared: SharedState): BodyRoom {
    const room = new BodyRoom(shared.bodies, () => this.now);
    room.limitBytes = 16 * MIB;
    return room;
  }

  holding(mib: number): HeldBody {
    const body = this.room.account();
    assert.equal(body.take(mib * MIB), null);
    return body;
  }

  get heldMib(): number {
    return this.shared.bodies.heldKib / 1024;
  }

  isEmpty(): void {
    const { heldKib, largeKib, pausedKib } = this.shared.bodies;
    assert.deepEqual({ heldKib, largeKib, pausedKib }, { heldKib: 0, largeKib: 0, pausedKib: 0 });
  }

  [Symbol.dispose](): void {
    this.room.close();
  }
}

Deno.test("bodies are counted as they come, and given back once", () => {
  using stand = new Stand();
  const body = stand.room.account();
  for (let piece = 0; piece < 3; piece++) assert.equal(body.take(500), null);
  assert.equal(stand.shared.bodies.heldKib, 2);
  assert.equal(body.take(3 * MIB), null);
  assert.equal(stand.shared.bodies.largeKib, 3 * 1024 + 2);
  body.release();
  body.release();
  stand.isEmpty();
});

Deno.test("large bodies leave room for small ones, and a large one waits for its turn", async () => {
  using stand = new Stand();
  const large = stand.holding(11);
  const waiting = stand.room.account();
  const room = waiting.take(2 * MIB);
  assert.notEqual(room, null);
  const small = Array.from({ length: 40 }, () => stand.holding(0.1));
  large.release();
  await room;
  assert.equal(stand.shared.bodies.largeKib, 2 * 1024);
  for (const body of [waiting, ...small]) body.release();
  stand.isEmpty();
});

Deno.test("a small body waits where all room is taken, and need not stand behind large ones", async () => {
  using stand = new Stand();
  const large = stand.holding(12);
  const others = Array.from({ length: 4 }, () => stand.holding(1));
  const second = stand.room.account();
  const behind = second.take(2 * MIB)!;
  const small = stand.room.account();
  const room = small.take(MIB / 2)!;
  others[0].release();
  await room;
  const late = assert.rejects(behind, NoRoom);
  stand.now = 10_000;
  await late;
  for (const body of [large, second, small, ...others]) body.release();
  stand.isEmpty();
  assert.equal(stand.shared.bodies.refused, 1);
});

Deno.test("where large bodies wait for each other alone, the last one makes way at once", async () => {
  using stand = new Stand();
  const bodies = [4, 4, 4].map((mib) => stand.holding(mib));
  const rooms = bodies.map((body) => body.take(4 * MIB)!);
  await assert.rejects(rooms[2], NoRoom);
  await rooms[0];
  bodies[2].release();
  bodies[0].release();
  await rooms[1];
  bodies[1].release();
  stand.isEmpty();
});

Deno.test("a body that was begun first goes on first", async () => {
  using stand = new Stand();
  const early = stand.holding(4);
  const other = stand.holding(4);
  const active = stand.holding(4);
  const order: string[] = [];
  const second = other.take(3 * MIB)!.then(() => order.push("other"));
  const first = early.take(3 * MIB)!.then(() => order.push("early"));
  active.release();
  await first;
  early.release();
  await second;
  assert.deepEqual(order, ["early", "other"]);
  other.release();
  stand.isEmpty();
});

Deno.test("what one body may never take is 413, not a reason to wait", () => {
  using stand = new Stand();
  const body = stand.holding(10);
  assert.throws(
    () => body.take(3 * MIB),
    (error: unknown) => error instanceof RequestError && error.status === 413,
  );
  body.release();
  stand.isEmpty();
});

Deno.test("workers share the room, and one that died gives its own back", async () => {
  using stand = new Stand();
  const other = new SharedState(stand.shared.buffer, 1);
  const room = stand.roomOf(other);
  const there = room.account();
  assert.equal(there.take(12 * MIB), null);
  const here = stand.room.account();
  const waiting = here.take(2 * MIB)!;
  stand.shared.dropWorker(1);
  await waiting;
  assert.equal(stand.heldMib, 2);
  here.release();
  stand.isEmpty();
});

Deno.test("more room by a reload lets those who wait go on; the end of the room refuses them", async () => {
  using stand = new Stand();
  const large = stand.holding(12);
  const waiting = stand.room.account();
  const room = waiting.take(4 * MIB)!;
  stand.room.limitBytes = 32 * MIB;
  await room;
  const last = stand.room.account();
  const refused = assert.rejects(last.take(20 * MIB)!, NoRoom);
  stand.room.close();
  await refused;
  assert.throws(() => last.take(1), RequestError);
  for (const body of [large, waiting, last]) body.release();
  await waitFor(() => stand.shared.bodies.heldKib === 0, "all to be given back");
  stand.isEmpty();
});

Deno.test("all who have waited long enough are refused at one look", async () => {
  using stand = new Stand();
  stand.holding(11);
  for (let at = 0; at < 5; at++) stand.holding(1);
  const waiting = Array.from({ length: 200 }, () => stand.room.account().take(MIB));
  const refused = Promise.all(waiting.map((room) => assert.rejects(room!, NoRoom)));
  stand.now = 10_001;
  stand.room.limitBytes = 16 * MIB;
  assert.equal(stand.shared.bodies.refused, 200);
  await refused;
});
