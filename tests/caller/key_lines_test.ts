// Who of those that wait for their own limits looks when something is given back.

import assert from "node:assert/strict";
import type { Counters, Work } from "../../lib/caller/counters.ts";
import { KeyLines, type Waited } from "../../lib/caller/key_lines.ts";
import { MemoryCounters } from "../../lib/caller/memory_counters.ts";
import { Scope, type ScopeKind } from "../../lib/caller/scope.ts";
import type { Rates } from "../../lib/config/access.ts";
import { SharedState } from "../../lib/pool/shared_state.ts";
import { waitFor } from "../support/wait.ts";
import { rates } from "./rates.ts";

const KEYS = 50;

function oneAtOnce(kind: ScopeKind, name: string): Scope {
  return limited(kind, name, { concurrency: 1 });
}

function limited(kind: ScopeKind, name: string, limits: Partial<Rates>): Scope {
  return new Scope(kind, name, rates(limits), []);
}

class Stand {
  asked = 0;
  readonly served: string[] = [];
  readonly waits: Promise<Waited>[] = [];
  readonly #out: (() => void)[] = [];
  readonly #memory: MemoryCounters;
  readonly counters: Counters;
  readonly lines: KeyLines;

  constructor() {
    // A clock that stands still: no tokens come back by themselves.
    this.#memory = new MemoryCounters(
      SharedState.create().limits,
      () => 1000,
      (scopes) => this.lines.freed(scopes),
    );
    this.counters = {
      reserve: (work) => {
        this.asked++;
        return this.#memory.reserve(work);
      },
      settle: (reservation, tokens) => this.#memory.settle(reservation, tokens),
      look: (scopes) => this.#memory.look(scopes),
      reset: (scope) => this.#memory.reset(scope),
    };
    this.lines = new KeyLines({
      counters: () => this.counters,
      stands: () => {},
      othersWait: () => false,
    });
  }

  work(scopes: readonly Scope[], tokens = 0): Work {
    return { sharedName: null, scopes, requests: 1, tokens, slot: true };
  }

  hold(scopes: readonly Scope[], tokens = 0): () => void {
    const reserved = this.#memory.reserve(this.work(scopes, tokens));
    assert.equal(reserved.kind, "reserved");
    const { reservation } = reserved as Extract<typeof reserved, { kind: "reserved" }>;
    return () => this.#memory.settle(reservation, 0);
  }

  wait(key: string, scopes: readonly Scope[], tokens = 0): void {
    const work = this.work(scopes, tokens);
    this.waits.push(
      this.lines.wait(key, () => work, 60_000, (out) => this.#out.push(out)).then((waited) => {
        if (waited.kind === "reserved") this.served.push(key);
        return waited;
      }),
    );
  }

  async [Symbol.asyncDispose]() {
    for (const out of this.#out) out();
    await Promise.all(this.waits);
  }
}

Deno.test("a place that is given back is looked for by those who lack it, and by nobody else", async () => {
  await using stand = new Stand();
  const scopes = Array.from({ length: KEYS }, (_, at) => oneAtOnce("key", `key-${at}`));
  const held = scopes.map((scope) => stand.hold([scope]));
  for (const scope of scopes) stand.wait(scope.name, [scope]);
  stand.asked = 0;
  held[7]();
  assert.equal(stand.asked, 1);
  await stand.waits[7];
  assert.deepEqual(stand.served, ["key-7"]);
});

Deno.test("of many keys that wait for one place of their group the next looks, and one in vain", async () => {
  await using stand = new Stand();
  const group = oneAtOnce("group", "all");
  const release = stand.hold([group]);
  for (let at = 0; at < KEYS; at++) {
    stand.wait(`key-${at}`, [limited("key", `key-${at}`, {}), group]);
  }
  stand.asked = 0;
  release();
  assert.equal(stand.asked, 2);
  await stand.waits[0];
  assert.deepEqual(stand.served, ["key-0"]);
});

Deno.test("keys of a group come in turn, however many of one key wait", async () => {
  await using stand = new Stand();
  const group = oneAtOnce("group", "all");
  let release = stand.hold([group]);
  const wait = (key: string) => stand.wait(key, [limited("key", key, {}), group]);
  for (const key of ["a", "a", "a", "b", "b", "c"]) wait(key);
  for (let turn = 1; turn <= 6; turn++) {
    release();
    await waitFor(() => stand.served.length >= turn, "the next");
    release = () =>
      stand.counters.settle({
        work: stand.work([group]),
        levels: [],
        isLocal: false,
        maker: stand.counters,
      }, 0);
  }
  assert.deepEqual(stand.served, ["a", "b", "c", "a", "b", "a"]);
});

Deno.test("one that needs less of its group's tokens is served past one that needs more", async () => {
  await using stand = new Stand();
  const group = limited("group", "all", { tokensPerMinute: 100 });
  const releases = [stand.hold([group], 50), stand.hold([group], 50)];
  stand.wait("much", [limited("key", "much", {}), group], 90);
  stand.wait("more", [limited("key", "more", {}), group], 95);
  stand.wait("little", [limited("key", "little", {}), group], 20);
  stand.asked = 0;
  releases[0]();
  await stand.waits[2];
  assert.deepEqual(stand.served, ["little"]);
  assert.equal(stand.asked, 2);
});

Deno.test("who lacks something of its own and of its group's is served once it has both", async () => {
  await using stand = new Stand();
  const own = oneAtOnce("key", "web");
  const group = oneAtOnce("group", "all");
  const ends = [stand.hold([own]), stand.hold([group])];
  stand.wait("web", [own, group]);
  ends[1]();
  assert.deepEqual(stand.served, []);
  ends[0]();
  await stand.waits[0];
  assert.deepEqual(stand.served, ["web"]);
});

Deno.test("all look when limits have changed", async () => {
  await using stand = new Stand();
  const scopes = Array.from({ length: 3 }, (_, at) => oneAtOnce("key", `key-${at}`));
  for (const scope of scopes) stand.hold([scope]);
  for (const scope of scopes) stand.wait(scope.name, [scope]);
  stand.asked = 0;
  stand.lines.changed();
  assert.equal(stand.asked, 3);
});
