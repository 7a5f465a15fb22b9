// This gateway among others in front of the same instances: tells them every 0.1 s what it has sent where, and
// hears the same of them. What it hears goes into the memory that all workers share; nothing waits for it.

import { isDeepStrictEqual } from "node:util";
import type { Config } from "../../config/config.ts";
import type { PeersConfig } from "../../config/peers.ts";
import type { AdminReply, AdminRequest } from "../../http/admin.ts";
import { textReply } from "../../http/admin_reply.ts";
import { logger } from "../../observe/log.ts";
import type { PeersLook } from "../../observe/metrics/peers_look.ts";
import { Addresses } from "../../peers/addresses.ts";
import { DirectWay } from "../../peers/direct.ts";
import {
  decodeNote,
  type GatewayFigures,
  type Load,
  type Note,
  type NoteRefusal,
  type Sent,
} from "../../peers/note.ts";
import { type OtherGateway, Others } from "../../peers/others.ts";
import { SharedWay } from "../../peers/shared.ts";
import type { Way, WayEvents } from "../../peers/way.ts";
import type { Fleet } from "../../pool/fleet.ts";
import type { Bulletin } from "../alerts/bulletin.ts";
import type { Reloadable, Snapshot, Snapshots } from "../snapshots.ts";

/** Words of hashes that are noted without letting others have the lock. */
const WORDS_AT_ONCE = 1024;

export interface PeeringParts {
  snapshots: Snapshots;
  fleet: Fleet;
  bulletin: Bulletin;
  figures(): GatewayFigures;
}

export class Peering implements Reloadable {
  readonly #id = crypto.randomUUID();
  readonly #others = new Others(this.#id, () => performance.now());
  readonly #refused: Partial<Record<NoteRefusal | "token", number>> = {};
  #counts = { sent: 0, taken: 0, failures: 0 };
  #config: PeersConfig | null = null;
  #way: Way | null = null;
  #timer: ReturnType<typeof setInterval> | null = null;
  #name: string | null = null;
  #number = 0;
  #addresses = new Addresses([]);

  constructor(private readonly parts: PeeringParts) {
    parts.snapshots.join(this);
  }

  /** Tells and hears from now on; others know this gateway by its port. */
  start(port: number): void {
    this.#name = `${hostName()}:${port}`;
    this.apply(this.parts.snapshots.current);
  }

  apply({ config }: Snapshot): void {
    if (this.#name === null) return;
    const { instances } = this.parts.fleet;
    this.#addresses = new Addresses(instances.flatMap((one) => [one, ...one.ranks]));
    if (!isDeepStrictEqual(config.peers, this.#config)) this.#begin(config);
    this.#sum();
  }

  /** A note that came by POST. */
  handle({ body, trusted }: AdminRequest): AdminReply {
    if (!trusted) {
      this.#refuse("token");
      return textReply(403, "peers.token is another one here");
    }
    const taken = this.#take(new TextDecoder().decode(body));
    if (taken === "form") return textReply(426, "of another version");
    if (taken !== "own" && taken !== "taken") return textReply(400, taken);
    return taken === "own" ? textReply(409, "this is the gateway itself") : textReply(200, "");
  }

  /** All gateways that are heard, this one first; none where it has no others. */
  list(): OtherGateway[] {
    if (this.#config === null) return [];
    return [{ name: this.#name!, ...this.parts.figures(), age: 0 }, ...this.#others.list()];
  }

  /** null where it has no others. */
  look(): PeersLook | null {
    if (this.#config === null) return null;
    return {
      others: this.#others.list(),
      isLate: this.#told.isLate,
      refused: Object.entries(this.#refused),
      ...this.#counts,
    };
  }

  async close(): Promise<void> {
    await this.#end();
  }

  get #told() {
    return this.parts.fleet.shared.routing.told;
  }

  #begin({ peers }: Config): void {
    const before = this.#end();
    this.#config = peers;
    this.#others.forget();
    if (peers === null) return;
    const { fleet } = this.parts;
    fleet.locked(() => {
      fleet.shared.routing.outbox.open();
      fleet.shared.routing.sessionNews.open();
      fleet.shared.stored.takeNews();
    });
    const events: WayEvents = {
      onFailure: () => this.#counts.failures++,
      onWord: (level, message) => this.#say(level, message),
    };
    this.#way = peers.shared === null
      ? new DirectWay(peers, events)
      : new SharedWay(peers.shared, peers.token, { ...events, onNote: (text) => this.#hear(text) });
    this.#timer = setInterval(() => this.#tick(), peers.intervalS * 1000);
    before.catch((error) => logger.error("peers: {error}", { error }));
  }

  async #end(): Promise<void> {
    if (this.#timer !== null) clearInterval(this.#timer);
    this.#timer = null;
    const way = this.#way;
    this.#way = null;
    const { fleet } = this.parts;
    fleet.locked(() => {
      fleet.shared.routing.outbox.close();
      fleet.shared.routing.sessionNews.close();
    });
    this.#told.setLate(false);
    await way?.close({ ...this.#note(), loads: [], isLast: true });
  }

  #tick(): void {
    const { fleet } = this.parts;
    const { routing, stored } = fleet.shared;
    const [words, news, moves] = fleet.locked(() =>
      [routing.outbox.take(), stored.takeNews(), routing.sessionNews.take()] as const
    );
    this.#way!.send({
      ...this.#note(),
      sent: this.#addresses.sent(words),
      kept: news,
      sessions: this.#addresses.sessions(moves),
    });
    this.#counts.sent++;
    const isLess = this.#others.age(this.#config!.staleAfterS);
    if (isLess) this.#sum();
    const isLate = !this.#way!.isOpen || this.#others.isMissing(this.#way!.expected);
    if (isLate !== this.#told.isLate) this.#told.setLate(isLate);
  }

  #hear(text: string | null): void {
    if (text === null) this.#refuse("token");
    else this.#take(text);
  }

  #take(text: string): "taken" | "own" | NoteRefusal {
    const note = decodeNote(text);
    if (typeof note === "string") return this.#refuse(note);
    if (note.id === this.#id) return "own";
    const isNews = this.#others.take(note);
    if (typeof isNews === "string") return this.#refuse(isNews);
    if (!isNews) return "taken";
    this.#counts.taken++;
    for (const sent of note.sent) this.#remember(sent);
    const { fleet } = this.parts;
    fleet.locked(() => {
      for (const kept of note.kept) fleet.shared.stored.take(kept);
      for (const { session, address, tokens } of note.sessions) {
        const slot = this.#addresses.slotOf(address);
        if (slot !== undefined) fleet.shared.routing.sessions.note(session, { slot, tokens });
      }
    });
    this.#sum();
    return "taken";
  }

  #refuse<Why extends NoteRefusal | "token">(why: Why): Why {
    const before = this.#refused[why] ?? 0;
    this.#refused[why] = before + 1;
    if (before === 0) this.#say("warning", `a note of another gateway is refused: ${why}`);
    return why;
  }

  #remember({ address, hashes }: Sent): void {
    const { fleet } = this.parts;
    const { index } = fleet.shared.routing;
    for (const slot of this.#addresses.slotsOf(address)) {
      for (let at = 0; at < hashes.length; at += WORDS_AT_ONCE) {
        fleet.locked(() => index.told(slot, hashes.subarray(at, at + WORDS_AT_ONCE)));
      }
    }
  }

  /** What all others keep busy, where those who choose see it. */
  #sum(): void {
    const loads = this.#others.loads();
    for (const [slot, address] of this.#addresses.entries()) {
      const load = loads.get(address);
      if (load === undefined) this.#told.clear(slot);
      else this.#told.set(slot, load);
    }
  }

  /** How it is now. */
  #note(): Note {
    const { own } = this.parts.fleet.shared.routing;
    const loadOf = (addressKey: number, underWay: number, slots: readonly number[]): Load => ({
      address: addressKey,
      underWay,
      unanswered: slots.reduce((sum, slot) => sum + own.unanswered(slot), 0),
      pending: slots.reduce((sum, slot) => sum + own.pending(slot), 0),
    });
    const loads = this.parts.fleet.instances.flatMap((one) => [
      loadOf(one.addressKey, one.inFlight, one.slots),
      ...one.ranks.map((rank) => loadOf(rank.addressKey, rank.inFlight, [rank.slot])),
    ]).filter(({ underWay, unanswered }) => underWay > 0 || unanswered > 0);
    return {
      ...{ id: this.#id, name: this.#name!, number: ++this.#number, loads },
      ...{ sent: [], kept: [], sessions: [], figures: this.parts.figures(), isLast: false },
    };
  }

  #say(level: "info" | "warning", message: string): void {
    logger[level]("peers: {message}", { message });
    this.parts.bulletin.note(level === "info" ? "peers" : "peers_failed", "peers", message);
  }
}

function hostName(): string {
  try {
    return Deno.hostname();
  } catch {
    // Not to be asked here: people see a name that is no host's.
    return "gateway";
  }
}
