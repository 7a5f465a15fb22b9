// Where prompts go. Numbers are those of the edge cases in docs/decisions/routing.md.

import assert from "node:assert/strict";
import { USUAL_WEIGHTS } from "../../../lib/pool/balancing/prefix_aware.ts";
import { Router } from "../../../lib/pool/balancing/router.ts";
import { NOBODY } from "../../../lib/pool/load/told.ts";
import { chainOf, IDLE as LOAD, RoutingStand, SEED, type Sent, words } from "../routing_stand.ts";

const HOT = chainOf(words("hot", 12_000));

function counts(slots: readonly number[], instances = 8): number[] {
  const result = Array(instances).fill(0);
  for (const slot of slots) result[slot]++;
  return result;
}

Deno.test("1: a thousand equal prompts at once: nobody above the bound, and every one is counted", () => {
  const stand = new RoutingStand();
  const sent: Sent[] = [];
  for (let request = 1; request <= 1000; request++) {
    sent.push(stand.send(HOT));
    const most = Math.max(4, 2 * request / 8);
    assert.ok(Math.max(...stand.inFlight) <= most, `${Math.max(...stand.inFlight)} of ${request}`);
  }
  const computed = new Set(
    sent.filter(({ placement }) => placement.placed.known === 0)
      .map(({ slot }) => slot),
  );
  const computing = sent.filter(({ placement }) => placement.placed.known === 0).length;
  assert.equal(computing, computed.size, "each computes it once");
  assert.equal(stand.inFlight.reduce((a, b) => a + b), 1000);
  for (const request of sent) stand.answer(request, 0);
  for (let slot = 0; slot < 8; slot++) {
    assert.equal(stand.memory.own.pending(slot), 0);
    assert.equal(stand.memory.own.unanswered(slot), 0);
  }
});

Deno.test("2: one hot prompt for all: under load everybody gets its share of it", () => {
  const stand = new RoutingStand();
  const open: Sent[] = [];
  const slots: number[] = [];
  for (let request = 0; request < 2000; request++) {
    const sent = stand.send(HOT);
    slots.push(sent.slot);
    open.push(sent);
    if (open.length > 64) stand.answer(open.shift()!, 0.001);
  }
  const shares = counts(slots.slice(500));
  assert.ok(Math.min(...shares) > 0);
  assert.ok(Math.max(...shares) / (1500 / 8) <= 1.3, shares.join());
});

Deno.test("5: a conversation stays where it is; when its instance dies it moves once", () => {
  const stand = new RoutingStand();
  let text = words("system", 1500);
  const slots: number[] = [];
  for (let turn = 1; turn <= 10; turn++) {
    text += words(`turn${turn}`, 1200);
    if (turn === 5) {
      stand.out.add(slots[0]);
      stand.memory.restarted(slots[0]);
    }
    // Others come and go meanwhile.
    for (let other = 0; other < 5; other++) stand.once(chainOf(words(`x${turn}${other}`, 2000)));
    slots.push(stand.once(chainOf(text)));
  }
  assert.equal(new Set(slots.slice(0, 4)).size, 1);
  assert.equal(new Set(slots.slice(4)).size, 1);
  assert.notEqual(slots[3], slots[4]);
});

Deno.test("14: an instance whose counters fell has lost its cache", () => {
  const stand = new RoutingStand();
  const slot = stand.once(HOT);
  const scrape = (queries: number) =>
    stand.memory.scraped(slot, { ...LOAD, queries, hits: 0 }, 0, stand.clock);
  const known = () => stand.router.decide(stand.places(), HOT).chunks[slot];
  scrape(100_000);
  scrape(100_500);
  assert.equal(known(), HOT.length);
  scrape(200);
  assert.equal(known(), 0);
});

Deno.test("16: what metrics show of our own requests is not counted twice", () => {
  const stand = new RoutingStand();
  const sent = Array.from({ length: 50 }, () => stand.send(HOT));
  const slot = sent[0].slot;
  const own = stand.inFlight[slot];
  stand.memory.scraped(slot, { ...LOAD, waiting: own }, own, stand.clock);
  const [place] = stand.places().filter((other) => other.slot === slot);
  const decision = stand.router.decide([place], HOT);
  assert.equal(decision.standings[0].underWay, own);
  assert.equal(decision.standings[0].backlog, stand.memory.own.pending(slot));
});

Deno.test("17: others' traffic on an instance turns new prompts away from it within one scrape, until it is stale", () => {
  const stand = new RoutingStand();
  const share = () => {
    const slots = Array.from(
      { length: 80 },
      (_, n) => stand.once(chainOf(words(`n${n}-${stand.clock}`, 1500))),
    );
    return counts(slots)[3];
  };
  assert.ok(share() > 0);
  stand.memory.scraped(3, { ...LOAD, running: 30, waiting: 40 }, 0, stand.clock);
  assert.equal(share(), 0);
  stand.clock += 11_000;
  assert.ok(share() > 0, "what is old counts nothing");
});

Deno.test("18: whatever becomes of a request, nothing of it stays on the books", () => {
  const stand = new RoutingStand();
  const ends: ((sent: Sent) => void)[] = [
    (sent) => stand.end(sent),
    (sent) => stand.answer(sent),
    (sent) => {
      sent.placement.answered();
      sent.placement.firstToken(stand.clock);
      stand.end(sent);
    },
    (sent) => {
      sent.placement.usage(3000, 0);
      stand.end(sent);
      sent.placement.ended((body) => body());
      sent.placement.firstToken(stand.clock);
    },
  ];
  for (const end of ends) {
    for (const chain of [HOT, chainOf("short"), chainOf(words("more", 700))]) {
      end(stand.send(chain));
    }
  }
  for (let slot = 0; slot < 8; slot++) {
    assert.equal(stand.memory.own.pending(slot), 0);
    assert.equal(stand.memory.own.unanswered(slot), 0);
    assert.equal(stand.inFlight[slot], 0);
  }
});

Deno.test("19: an attempt that got no first token leaves no note, the retry's instance has one", () => {
  const stand = new RoutingStand();
  const failed = stand.send(HOT);
  stand.end(failed);
  stand.out.add(failed.slot);
  const retry = stand.send(HOT);
  stand.answer(retry);
  stand.out.clear();
  const { chunks } = stand.router.decide(stand.places(), HOT);
  assert.equal(chunks[failed.slot], 0);
  assert.equal(chunks[retry.slot], HOT.length);
  assert.equal(stand.once(HOT), retry.slot);
});

Deno.test("20: a refusal without usage takes the note back and keeps what was there before", () => {
  const stand = new RoutingStand({ instances: 1 });
  const system = words("system", 4096);
  stand.once(chainOf(system));
  stand.end(stand.send(chainOf(system + words("refused", 4096))));
  const { chunks } = stand.router.decide(
    stand.places(),
    chainOf(system + words("refused", 4096)),
  );
  assert.equal(chunks[0], 8);
});

Deno.test("21: a whole answer says nothing of the speed at which prompts are computed", () => {
  const stand = new RoutingStand();
  const sent = stand.send(HOT);
  stand.clock += 9000;
  sent.placement.answered();
  stand.end(sent);
  assert.equal(stand.memory.learned.speed(sent.slot), 0);
  const streamed = stand.send(chainOf(words("cold", 12_000)));
  stand.answer(streamed, 0.5);
  const speed = stand.memory.learned.speed(streamed.slot);
  assert.ok(speed > 7000 && speed < 8000, `${speed}: a step from 8000 towards ${3000 / 0.5}`);
});

Deno.test("21: speed is learned only from a prompt that an instance computed alone", () => {
  const stand = new RoutingStand({ instances: 1 });
  const [first, second] = [1, 2].map((n) => stand.send(chainOf(words(`n${n}`, 8000))));
  stand.answer(second, 1);
  assert.equal(stand.memory.learned.speed(0), 0);
  stand.answer(first, 1);
  assert.ok(stand.memory.learned.speed(0) > 0);
});

Deno.test("22: a slot that is given anew has nothing of the instance before", () => {
  const stand = new RoutingStand();
  const slot = stand.once(HOT);
  stand.memory.scraped(slot, { ...LOAD, running: 50, queries: 90_000, hits: 5 }, 0, stand.clock);
  stand.memory.clear(slot);
  const decision = stand.router.decide(stand.places(), HOT);
  assert.equal(decision.chunks[slot], 0);
  assert.equal(decision.standings[slot].underWay, 0);
  assert.equal(stand.memory.learned.speed(slot), 0);
});

Deno.test("23: an instance that was out and not started anew is used by what it holds again", () => {
  const stand = new RoutingStand();
  const slot = stand.once(HOT);
  stand.out.add(slot);
  const other = stand.once(HOT);
  assert.notEqual(other, slot);
  stand.out.delete(slot);
  stand.out.add(other);
  assert.equal(stand.once(HOT), slot);
  assert.equal(stand.router.decide(stand.places(), HOT).reason, "prefix");
});

Deno.test("28: where foretold hits do not come true matches count nothing, until they do again", () => {
  const stand = new RoutingStand({ instances: 1 });
  stand.once(HOT);
  const matched = () => stand.router.decide(stand.places(), HOT).standings[0].matched;
  let tokens = 0;
  const ask = (share: number) => {
    const sent = stand.send(HOT);
    sent.placement.usage(3000, share * sent.placement.placed.foretold);
    stand.end(sent);
    tokens += 3000;
  };
  while (matched() > 0 && tokens < 400_000) ask(0);
  assert.ok(tokens <= 200_000, `off after ${tokens}`);
  tokens = 0;
  while (matched() === 0 && tokens < 400_000) ask(1);
  assert.ok(tokens <= 200_000, `on again after ${tokens}`);
});

Deno.test("28: the instance's own counters tell it as well", () => {
  const stand = new RoutingStand({ instances: 1 });
  let queries = 100_000;
  const matched = () => stand.router.decide(stand.places(), HOT).standings[0].matched;
  stand.memory.scraped(0, { ...LOAD, queries, hits: 0 }, 0, stand.clock);
  let tokens = 0;
  do {
    for (let request = 0; request < 5; request++) stand.once(HOT);
    tokens += 15_000;
    queries += 15_000;
    stand.memory.scraped(0, { ...LOAD, queries, hits: 0 }, 0, stand.clock);
  } while (matched() > 0 && tokens < 400_000);
  assert.ok(tokens <= 200_000, `off after ${tokens}`);
});

Deno.test("33: many callers with one beginning do not crowd on one instance", () => {
  const stand = new RoutingStand();
  const system = words("careless", 8000);
  const open = Array.from({ length: 400 }, (_, n) => stand.send(chainOf(system + words(n, 600))));
  assert.ok(Math.max(...counts(open.map(({ slot }) => slot))) <= 100);
});

Deno.test("a prompt that nobody is known to have goes to the same instance from every gateway", () => {
  const stands = [new RoutingStand(), new RoutingStand()];
  for (let n = 0; n < 50; n++) {
    const chain = chainOf(words(`n${n}`, 6000));
    const [one, other] = stands.map((stand) => stand.send(chain));
    assert.equal(one.slot, other.slot);
    assert.equal(one.decision.reason, "home");
    for (const [at, sent] of [one, other].entries()) stands[at].answer(sent);
  }
});

Deno.test("a home that leaves moves nothing but its own prompts", () => {
  const chains = Array.from({ length: 200 }, (_, n) => chainOf(words(`n${n}`, 6000)));
  const homes = (out: number | null) => {
    return chains.map((chain) => {
      const stand = new RoutingStand();
      if (out !== null) stand.out.add(out);
      return stand.places()[stand.router.home(stand.places(), chain)].slot;
    });
  };
  const before = homes(null);
  const after = homes(2);
  for (const [at, slot] of before.entries()) if (slot !== 2) assert.equal(after[at], slot);
  assert.ok(Math.min(...counts(before)) >= 10, counts(before).join());
});

Deno.test("bounded_hash: a home that has twice its share passes on to the next in its order", () => {
  const stand = new RoutingStand();
  const chain = chainOf(words("home", 6000));
  const pick = () => stand.places()[stand.router.home(stand.places(), chain)].slot;
  const home = pick();
  stand.inFlight.fill(10);
  stand.inFlight[home] = 30;
  const next = pick();
  assert.notEqual(next, home);
  stand.inFlight[home] = 10;
  assert.equal(pick(), home);
  stand.weights[home] = 0.1;
  assert.equal(pick(), next, "a warming instance has a smaller share");
});

Deno.test("prompts without a beginning take turns among instances that are alike", () => {
  const stand = new RoutingStand();
  const slots = Array.from({ length: 80 }, () => stand.once(chainOf("hello")));
  assert.deepEqual(counts(slots), Array(8).fill(10));
});

Deno.test("an instance that computes faster gets more", () => {
  const stand = new RoutingStand({ instances: 2 });
  for (let n = 0; n < 100; n++) {
    stand.memory.learned.computed(0, 20_000, 1);
    stand.memory.learned.computed(1, 5000, 1);
  }
  const slots = Array.from(
    { length: 100 },
    (_, n) => stand.send(chainOf(words(n, 500))).slot,
  );
  const [fast, slow] = counts(slots, 2);
  assert.ok(fast > 3 * slow, `${fast} and ${slow}`);
});

Deno.test("a chance difference in speed draws no prompts from where they are cached", () => {
  const stand = new RoutingStand({ instances: 3 });
  const speeds = [9000, 10_000, 13_000];
  for (const [slot, speed] of speeds.entries()) {
    for (let n = 0; n < 100; n++) stand.memory.learned.computed(slot, speed, 1);
  }
  const { standings } = stand.router.decide(stand.places(), HOT);
  assert.equal(new Set(standings.map(({ speed }) => speed)).size, 1);
  assert.ok(Math.abs(standings[0].speed - 10_000) < 10, "all are taken for the median");
});

Deno.test("deciding changes nothing: the next decision is the same", () => {
  const stand = new RoutingStand();
  for (let n = 0; n < 20; n++) stand.send(chainOf(words(n, 4000)));
  const decide = () => {
    const decision = stand.router.decide(stand.places(), HOT);
    return { ...decision, chunks: [...decision.chunks] };
  };
  assert.deepEqual(decide(), decide());
  assert.deepEqual(stand.memory.index.ages.held(0), stand.memory.index.ages.held(0));
  assert.equal(stand.places()[decide().index].slot, stand.send(HOT).slot);
});

Deno.test("two models at the same instances have nothing in common", () => {
  const stand = new RoutingStand();
  const slot = stand.once(HOT);
  const model = { seed: { first: SEED.first + 1, second: 9 }, slot: 62 };
  const other = new Router(stand.memory, model, USUAL_WEIGHTS, () => stand.clock);
  assert.equal(other.decide(stand.places(), HOT).chunks[slot], 0);
});

/** A router of this fleet that hears nothing of other gateways which there are. */
function withoutNews(stand: RoutingStand): Router {
  const silent = { ...NOBODY, isLate: true };
  const model = { seed: SEED, slot: 63 };
  return new Router(stand.memory, model, USUAL_WEIGHTS, () => stand.clock, silent);
}

Deno.test("while other gateways are silent an unknown prompt goes to its home, as every gateway computes it", () => {
  const stand = new RoutingStand();
  const router = withoutNews(stand);
  // Everybody has as much to do; the home has more than its tokens' worth, but is not over its share.
  for (let slot = 0; slot < 8; slot++) stand.inFlight[slot] = 3;
  for (let name = 0; name < 40; name++) {
    const chain = chainOf(words(name, 6000));
    const places = stand.places();
    const home = router.home(places, chain);
    for (let k = 0; k < 4; k++) stand.memory.own.add(places[home].slot, 20_000);
    const { index, reason } = router.decide(places, chain);
    assert.equal(index, home);
    assert.equal(reason, "home");
    assert.notEqual(stand.router.decide(places, chain).index, home, "with news of them by cost");
    for (let k = 0; k < 4; k++) stand.memory.own.remove(places[home].slot, 20_000);
  }
});

Deno.test("while other gateways are silent a known prompt goes where it is known", () => {
  const stand = new RoutingStand();
  const router = withoutNews(stand);
  const home = router.home(stand.places(), HOT);
  const other = (home + 3) % 8;
  router.place(other, HOT).answered();
  assert.equal(router.decide(stand.places(), HOT).index, other);
});
