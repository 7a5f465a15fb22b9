// The workers of one process: started on one port, told of each new configuration, drained together. How
// many there are is the file's affair, where those that die are replaced, or that of who adds them and
// lets them leave (elastic_workers.ts).

import type { UsageMemory } from "../../caller/usage/usage_memory.ts";
import type { Moved } from "../../forward/moving.ts";
import type { AdminHandler } from "../../http/admin.ts";
import type { Scarce } from "../../machine/scarcity.ts";
import type { Report } from "../../observe/report.ts";
import { MAX_WORKERS } from "../../pool/memory/worker_counts.ts";
import type { PoolEvent } from "../../pool/outlier.ts";
import type { SharedState } from "../../pool/shared_state.ts";
import type { Content } from "../../record/capture.ts";
import { serveAdmin } from "./admin_relay.ts";
import type { MakeIsolate } from "./isolate.ts";
import type { Serving } from "../serving.ts";
import type { Reloadable, Snapshot } from "../snapshots.ts";
import { Member } from "./member.ts";
import type { EndKind, FromWorker, ToWorker } from "./messages.ts";
import { unpacked } from "./reports.ts";

/** A worker that dies at once is not replaced in a tight loop. */
const RESTART_MS = 500;
/** A worker that does not answer any more is ended all the same. */
const CLOSE_MS = 2000;
/** One that is so far behind is not waited for. */
const BEHIND_MS = 10_000;

export interface WorkerPoolParts {
  /** The module whose isolates become workers (main.ts). */
  module: string;
  make: MakeIsolate;
  /** How many `start` starts; each of these is replaced when it dies. */
  count: number;
  tracing: boolean;
  shared: SharedState;
  usage: UsageMemory;
  now(): number;
  /** In force when a worker starts. */
  snapshot(): Snapshot;
  onFinished(report: Report, content: Content | null): void;
  onPoolEvent(event: PoolEvent): void;
  onScarce(what: Scarce): void;
  onModelMissing(id: string | null): void;
  onRankRefused(id: string, ranks: number): void;
  admin: AdminHandler;
  onError(message: string): void;
  onNotice?(message: string): void;
  onDied(worker: number, message: string): void;
  /** It was to leave, and its last answer is out. */
  onLeft(worker: number): void;
}

export class WorkerPool implements Serving, Reloadable {
  readonly #members = new Map<number, Member>();
  #address = { hostname: "", port: 0 };
  #closing = false;
  /** Numbers of workers that are started again in a moment. */
  readonly #restarting = new Set<number>();

  constructor(private readonly parts: WorkerPoolParts) {}

  get isolates(): number {
    return this.serving.length;
  }

  /** Those that take clients. */
  get serving(): readonly Member[] {
    return this.#in("serving");
  }

  /** Whether one of them is on its way in. */
  get isGrowing(): boolean {
    return this.#in("loading").length + this.#in("starting").length > 0;
  }

  /** Whether one of them is on its way out. */
  get isShrinking(): boolean {
    return this.#in("leaving").length > 0;
  }

  get isEmpty(): boolean {
    return this.#members.size === 0;
  }

  /** Starts all workers; resolves to the port. Throws when the first cannot listen. */
  async start(hostname: string, port: number): Promise<number> {
    this.#address = { hostname, port };
    for (let index = 1; index <= this.parts.count; index++) {
      this.#address.port = await this.#startOne(index);
    }
    return this.#address.port;
  }

  /** Has one more serve, on the port that others listen on already. Rejects where it cannot. */
  async add(hostname: string, port: number): Promise<void> {
    this.#address = { hostname, port };
    let index = 1;
    while (this.#members.has(index)) index++;
    if (index >= MAX_WORKERS) throw new Error(`there are ${MAX_WORKERS - 1} workers already`);
    try {
      await this.#startOne(index);
    } catch (error) {
      // One that has died meanwhile is gone; one that cannot listen is not.
      const failed = this.#members.get(index);
      if (failed?.state === "starting") this.#drop(index, failed);
      throw error;
    }
  }

  /** Clients that are connected come to other workers as well, with their next connection. */
  spread(): void {
    this.#tellAll({ kind: "spread" });
  }

  /** Each is asked how busy it is; what they have said before is with them. */
  look(): void {
    for (const member of this.serving) member.tell({ kind: "look" });
  }

  /** Takes no more clients; goes when those that it has have their answers. */
  leave(member: Member): void {
    member.state = "leaving";
    member.tell({ kind: "leave" });
  }

  apply(snapshot: Snapshot): void {
    this.#tellAll({ kind: "apply", ...snapshot });
  }

  /** What of the snapshot is not in force, in any of them. */
  async caughtUp(): Promise<readonly string[]> {
    // One that is loading begins with what is in force then.
    const members = [...this.#members.values()].filter(({ state }) => state !== "loading");
    const problems = await Promise.all(
      members.map((member) => member.ask({ kind: "catch_up" }, BEHIND_MS)),
    );
    return [...new Set(problems.flat())];
  }

  /** Has what runs at an instance go on elsewhere, in all workers. */
  async move(instance: string): Promise<Moved> {
    // One that is loading has nothing there.
    const members = [...this.#members.values()].filter(({ state }) => state !== "loading");
    const answers = await Promise.all(
      members.map((member) => member.ask({ kind: "move", instance }, CLOSE_MS)),
    );
    return answers.reduce((sum, { moved, staying }) => ({
      moved: sum.moved + moved,
      staying: sum.staying + staying,
    }), { moved: 0, staying: 0 });
  }

  /** Lets running answers end in all workers; none closes its door before `close`. */
  async drain(): Promise<void> {
    await this.#endAll("drain");
  }

  async handOver(): Promise<void> {
    await this.#endAll("hand_over");
  }

  /** Cuts what is under way, takes what is to be recorded of it, and ends the workers. */
  async close(): Promise<void> {
    await this.#endAll("close", CLOSE_MS);
    for (const member of this.#members.values()) {
      member.isolate.terminate();
      member.gone();
    }
    this.#members.clear();
  }

  async #endAll(kind: EndKind, waitMs = Infinity): Promise<void> {
    this.#closing = true;
    await Promise.all([...this.#members.values()].map(async (member) => {
      // It has no clients, and gets none.
      if (member.state !== "loading") await member.ask({ kind }, waitMs);
    }));
  }

  #in(state: Member["state"]): Member[] {
    return [...this.#members.values()].filter((member) => member.state === state);
  }

  #tellAll(message: ToWorker): void {
    for (const member of this.#members.values()) member.tell(message);
  }

  /** Rejects where no isolate can be made, too. */
  async #startOne(index: number): Promise<number> {
    const { module, make } = this.parts;
    const member = new Member(
      index,
      make(module, `worker-${index}`, {
        said: (message) => this.#take(index, member, message),
        failed: (message) => this.#died(index, member, message),
      }),
    );
    this.#members.set(index, member);
    return await member.ready.promise;
  }

  #startMessage(index: number): ToWorker {
    return {
      kind: "start",
      module: this.parts.module,
      ...this.parts.snapshot(),
      ...this.#address,
      buffer: this.parts.shared.buffer,
      usage: this.parts.usage.buffer,
      worker: index,
      tracing: this.parts.tracing,
      now: this.parts.now(),
    };
  }

  #take(index: number, member: Member, message: FromWorker): void {
    switch (message.kind) {
      case "loaded":
        // Not before: the clock that goes with it would be late by the time that loading takes.
        if (this.#closing) return;
        member.state = "starting";
        return member.tell(this.#startMessage(index));
      case "ready":
        member.state = "serving";
        return member.ready.resolve(message.port);
      case "failed":
        return member.ready.reject(new Error(message.message));
      case "finished":
        for (const { report, content } of message.batch) {
          this.parts.onFinished(report, unpacked(content));
        }
        return;
      case "pool_event":
        return this.parts.onPoolEvent(message.event);
      case "scarce":
        return this.parts.onScarce(message.what);
      case "model_missing":
        return this.parts.onModelMissing(message.instance);
      case "rank_refused":
        return this.parts.onRankRefused(message.instance, message.ranks);
      case "error":
        return this.parts.onError(message.message);
      case "notice":
        return this.parts.onNotice?.(message.message);
      case "caught_up":
        return member.answered("catch_up", message.problems);
      case "moved":
        return member.answered("move", message.moved);
      case "busy":
        member.share = message.share;
        member.running = message.running;
        return;
      case "admin":
        return member.carries((onOver) =>
          serveAdmin(message.request, message.port, this.parts.admin, this.parts.onError, onOver)
        );
      case "drained":
        return member.answered(message.by, null);
      case "left":
        this.#drop(index, member);
        return this.parts.onLeft(index);
    }
  }

  /** It has ended, or is to: what it still counts for is released, the clients' connections are gone with it. */
  #drop(index: number, member: Member): void {
    if (this.#members.get(index) !== member) return;
    member.isolate.terminate();
    this.#members.delete(index);
    this.parts.shared.dropWorker(index);
    this.parts.usage.dropWorker(index);
    member.gone();
  }

  /** Until it is there: it may not be able to listen yet, or no thread may be left to make it. */
  #restart(index: number): void {
    if (this.#restarting.has(index)) return;
    this.#restarting.add(index);
    setTimeout(async () => {
      this.#restarting.delete(index);
      if (this.#closing) return;
      try {
        await this.#startOne(index);
      } catch (error) {
        this.parts.onError(String(error));
        const failed = this.#members.get(index);
        if (failed !== undefined) this.#died(index, failed, String(error));
        else this.#restart(index);
      }
    }, RESTART_MS);
  }

  /** The others' clients are unharmed. */
  #died(index: number, member: Member, message: string): void {
    if (this.#members.get(index) !== member) return;
    this.#drop(index, member);
    member.ready.reject(new Error(message));
    if (this.#closing) return;
    this.parts.onDied(index, message);
    if (index <= this.parts.count) this.#restart(index);
  }
}
