// The listener for HTTP/1.1 clients, over TCP or TLS: strict about what comes in, quick to notice a
// client that leaves, one coarse clock for all time limits. Syntax is left to lib/http, one
// connection's life to http1/connection.ts.

import { setImmediate } from "node:timers";
import { MessageBuffers, Slab } from "../../http/memory.ts";
import { Roll } from "../../http/roll.ts";
import { SCARCE_WORDS, scarceIn } from "../../machine/scarcity.ts";
import type { TlsConfig } from "../../config/access.ts";
import type { Handler, Listener, ListenOptions } from "../listener.ts";
import type { ClientConn, Door } from "./client_conn.ts";
import { TICK_MS } from "./http1/coarse_clock.ts";
import { Connection, type ConnectionOwner } from "./http1/connection.ts";
import { openDoor } from "./tls/doors.ts";
import { NodeTlsDoor } from "./tls/node_tls.ts";

/** How long an idle connection is kept after the port was handed over, or the others serve on. */
const HANDED_OVER_IDLE_MS = 5000;
const NO_ARRIVAL_MS = 10;
const MOST_ARRIVALS_MS = 1000;
/** Where descriptors are short: clients that are idle for longer are shed, so many at once. */
const SHED_IDLE_MS = 1000;
const SHED_AT_ONCE = 16;
/** So many connections without a handshake are held before a door opens that can end them. */
const MAX_SILENT = 64;
/** After descriptors were short. */
const MEND_AFTER_MS = 1000;

/** Listens on a TCP port. Throws Deno.errors.AddrInUse and the like. */
export function listenHttp1(options: ListenOptions, handler: Handler): Listener {
  return new Http1Listener(options, handler);
}

class Http1Listener implements Listener, ConnectionOwner {
  readonly hostname: string;
  readonly port: number;
  now = performance.now();
  draining = false;
  readonly buffers = new MessageBuffers();
  readonly slab = new Slab();
  /** The one that is open; those before it are closed in a moment. */
  #door: Door;
  readonly #doors = new Set<Door>();
  /** What clients meet; null for plain HTTP. */
  #certificate: TlsConfig | null;
  /** Each ends when its door is closed for the kernel, too. */
  readonly #accepting = new Set<Promise<void>>();
  readonly #connections = new Roll<Connection>();
  readonly #clock: ReturnType<typeof setInterval>;
  readonly #allClosed: (() => void)[] = [];
  #accepted = 0;
  /** Who came before is sent to the other doors. */
  #spreadAt = -Infinity;
  #leaving = false;
  #mostSilent = MAX_SILENT;
  /** Whether doors have to end connections without a handshake from now on. */
  #sendsAway = false;
  /** When descriptors were short last, since the door was opened; null for never. */
  #shortAt: number | null = null;

  constructor(readonly options: ListenOptions, readonly handler: Handler) {
    this.#certificate = options.certificate;
    this.#door = openDoor({ ...options, hasRoom: this.#hasRoom }, options.certificate);
    this.#doors.add(this.#door);
    this.hostname = this.#door.addr.hostname;
    this.port = this.#door.addr.port;
    this.#clock = setInterval(() => this.#tick(), TICK_MS);
    options.descriptors.join(() => this.#shedIdle());
    this.#acceptAt(this.#door);
  }

  renew(certificate: TlsConfig): void {
    if (this.#certificate === null || this.draining || this.#leaving) return;
    const door = this.#door;
    if (!(door instanceof NodeTlsDoor && door.renew(certificate))) {
      this.#openAnother(certificate);
    }
    this.#certificate = certificate;
  }

  /** A second door on the same port; then the first is closed. Connections are no part of a door. */
  #openAnother(certificate: TlsConfig): void {
    const { hostname, headTimeoutS } = this.options;
    const before = this.#door;
    const { port } = this;
    const place = { hostname, port, reusePort: true, headTimeoutS, hasRoom: this.#hasRoom };
    this.#door = openDoor(place, certificate, this.#sendsAway);
    this.#doors.add(this.#door);
    this.#acceptAt(this.#door);
    this.#leave(before).catch(this.options.onError);
  }

  /** Closes a door when nobody stands before it, for all that can be told. */
  async #leave(door: Door): Promise<void> {
    const until = performance.now() + MOST_ARRIVALS_MS;
    for (let before = -1; before !== this.#accepted && performance.now() < until;) {
      before = this.#accepted;
      await new Promise((resolve) => setTimeout(resolve, 2));
      await this.#nobodyWaits();
    }
    if (this.#doors.delete(door)) door.close();
  }

  async drain(): Promise<void> {
    this.#closeDoor();
    this.#closeIdle();
    await this.#lastConnection();
  }

  async handOver(): Promise<void> {
    await this.#lull();
    this.#closeDoor();
    // A client may be writing on an idle connection at this moment: it gets its answer.
    const timer = setTimeout(() => this.#closeIdle(), HANDED_OVER_IDLE_MS);
    await this.#lastConnection();
    clearTimeout(timer);
  }

  async leave(): Promise<void> {
    await this.#lull();
    this.#leaving = true;
    this.#shutDoors();
    await Promise.all(this.#accepting);
  }

  left(): Promise<void> {
    return this.#lastConnection();
  }

  spread(): void {
    this.#spreadAt = performance.now();
  }

  sendsAway({ since }: Connection): boolean {
    return this.#leaving || since <= this.#spreadAt;
  }

  /**
   * The kernel resets connections that wait to be accepted when a door closes: it is closed in a moment
   * when none is coming. (With net.ipv4.tcp_migrate_req=1 they pass to the other one.)
   */
  async #lull(): Promise<void> {
    const until = performance.now() + MOST_ARRIVALS_MS;
    for (let before = -1; before !== this.#accepted && performance.now() < until;) {
      before = this.#accepted;
      await new Promise((resolve) => setTimeout(resolve, NO_ARRIVAL_MS));
    }
    await this.#nobodyWaits();
  }

  /**
   * Resolves right after a turn of the loop in which the system had nobody to be accepted. A timer does not
   * tell: on a busy machine it is late, and runs before those who came meanwhile are accepted.
   */
  async #nobodyWaits(): Promise<void> {
    const until = performance.now() + MOST_ARRIVALS_MS;
    for (let before = -1; before !== this.#accepted && performance.now() < until;) {
      before = this.#accepted;
      for (let turn = 0; turn < 2; turn++) {
        await new Promise<void>((resolve) => setImmediate(() => resolve()));
      }
    }
  }

  #closeDoor(): void {
    this.draining = true;
    this.#shutDoors();
  }

  #shutDoors(): void {
    for (const door of this.#doors) door.close();
    this.#doors.clear();
  }

  #closeIdle(): void {
    for (const connection of [...this.#connections.all]) connection.closeIfIdle();
  }

  /** Those whose clients have had time to use them once more. */
  #closeUnused(): void {
    const before = this.now - HANDED_OVER_IDLE_MS;
    for (const connection of [...this.#connections.all]) {
      if (connection.idleSince < before || connection.isSilent) connection.closeIfIdle();
    }
  }

  async #lastConnection(): Promise<void> {
    if (this.#connections.size > 0) {
      await new Promise<void>((resolve) => this.#allClosed.push(resolve));
    }
  }

  close(): Promise<void> {
    this.#closeDoor();
    clearInterval(this.#clock);
    for (const connection of [...this.#connections.all]) connection.close();
    return Promise.resolve();
  }

  closed(connection: Connection): void {
    if (connection.place < 0) return;
    this.#connections.remove(connection);
    if (connection.counted) this.options.addresses.giveBack(connection.remoteAddress);
    if (this.#connections.size > 0) return;
    for (const resolve of this.#allClosed.splice(0)) resolve();
  }

  #acceptAt(door: Door): void {
    const accepting = this.#accept(door).finally(() => this.#accepting.delete(accepting));
    this.#accepting.add(accepting);
  }

  async #accept(door: Door): Promise<void> {
    for (;;) {
      let conn: ClientConn;
      try {
        if (this.#keepsRefused && !await this.options.descriptors.findRoom("client")) {
          await new Promise((resolve) => setTimeout(resolve, 50));
          if (this.#doors.has(door)) continue;
        }
        conn = await door.accept();
      } catch (error) {
        // It says nothing of the door, and those behind it in the kernel's queue need not wait.
        if (isGoneClient(error)) continue;
        if (this.draining || this.#leaving || door !== this.#door) return;
        // Too many open files, or what nobody knows: others may still come.
        const what = scarceIn(error);
        if (what === null) this.options.onError(error);
        else this.options.descriptors.refused(what);
        await new Promise((resolve) => setTimeout(resolve, 50));
        continue;
      }
      this.#accepted++;
      if (await this.options.descriptors.findRoom("client")) this.#welcome(conn);
      // A client that is still writing takes its time to hear it.
      else if (this.options.descriptors.hasRoom("refusal")) this.#turnAway(conn, true);
      // Its descriptor has to be back before the next one comes: a crowd would take what is left.
      else await this.#turnAway(conn, false);
    }
  }

  /** Deno keeps the descriptor of who is refused before its handshake: it is better not let in. */
  get #keepsRefused(): boolean {
    return this.#certificate !== null && !(this.#door instanceof NodeTlsDoor);
  }

  /** Its own descriptor is one of the reserve: it is not kept for long. */
  async #turnAway(conn: ClientConn, lingers: boolean): Promise<void> {
    this.options.onTurnedAway("open_files");
    const connection = new Connection(conn, conn.remoteAddr.hostname, this, false);
    this.#connections.add(connection);
    try {
      await connection.turnAway(503, `Not now: ${SCARCE_WORDS.files}`, lingers);
    } catch (error) {
      this.options.onError(error);
    }
  }

  /** Node's server accepts a crowd at one go: who comes first from it finds that none is left. */
  readonly #hasRoom = (): boolean => {
    if (this.#isRoomLeft) return true;
    this.#shortAt = this.now;
    this.options.descriptors.refused("files");
    this.options.onTurnedAway("open_files");
    return false;
  };

  get #isRoomLeft(): boolean {
    const { descriptors } = this.options;
    return !descriptors.isOut && descriptors.hasRoom("client");
  }

  /** Closes those who have been idle for longest. */
  #shedIdle(): number {
    this.#shortAt = this.now;
    const before = this.now - SHED_IDLE_MS;
    const idle = this.#connections.all.filter(({ idleSince }) => idleSince < before)
      .sort((one, other) => one.idleSince - other.idleSince).slice(0, SHED_AT_ONCE);
    for (const connection of idle) connection.closeIfIdle();
    return idle.length;
  }

  #welcome(conn: ClientConn): void {
    const address = conn.remoteAddr.hostname;
    const { addresses, maxConnectionsPerAddress: limit } = this.options;
    const place = limit === 0 ? "uncounted" : addresses.take(address, limit);
    const connection = new Connection(conn, address, this, place === "counted");
    this.#connections.add(connection);
    if (place === "full") this.options.onTurnedAway("per_address");
    const served = place !== "full" ? connection.run() : connection.turnAway(
      429,
      `More than ${limit} connections from this address (max_connections_per_address)`,
    );
    served.catch(this.options.onError);
  }

  #tick(): void {
    this.now = performance.now();
    // From the end: whoever is closed by it gives its place to one that was looked at.
    const { all } = this.#connections;
    let silent = 0;
    for (let at = all.length - 1; at >= 0; at--) {
      if (all[at].isSilent) silent++;
      all[at].checkDeadline(this.now);
    }
    if (this.#leaving) return this.#closeUnused();
    if (this.#certificate === null || this.draining) return;
    if (this.#door instanceof NodeTlsDoor) this.#mendDoor(this.#certificate);
    else if (silent > this.#mostSilent) this.#meetSilence(this.#certificate);
  }

  /** Deno keeps the descriptor of a connection without a handshake, whoever closes it here. */
  #meetSilence(certificate: TlsConfig): void {
    this.#sendsAway = true;
    try {
      this.#openAnother(certificate);
    } catch (error) {
      this.#mostSilent *= 2;
      this.options.onError(error);
    }
  }

  /** A server of Node's that met the end of descriptors accepts nobody any more, and does not tell. */
  #mendDoor(certificate: TlsConfig): void {
    if (this.#shortAt === null || this.now - this.#shortAt < MEND_AFTER_MS) return;
    if (!this.#isRoomLeft) return;
    this.#shortAt = null;
    try {
      this.#openAnother(certificate);
    } catch (error) {
      this.#shortAt = this.now;
      const what = scarceIn(error);
      if (what === null) this.options.onError(error);
      else this.options.descriptors.refused(what);
    }
  }
}

/** Whether it says that the client had reset its connection before it was accepted, as probes of a port do. */
function isGoneClient(error: unknown): boolean {
  return error instanceof Deno.errors.NotConnected ||
    error instanceof Deno.errors.ConnectionReset ||
    error instanceof Deno.errors.ConnectionAborted;
}
