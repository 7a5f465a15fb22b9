// What all workers must agree on, in one SharedArrayBuffer: requests in flight, turns of the
// balancer, failures and ejections, one slot for each instance; who waits, one slot for each model. What the numbers mean is left to
// instance.ts, outlier.ts and balancing/; this file only lays them out and guards them with a lock.

/** Room for instances that the configuration ever named in one life of the process. */
export const MAX_SLOTS = 1024;
/** Isolates that may serve at once, the main one included. */
export const MAX_WORKERS = 64;
/** Client addresses whose connections are counted at once. */
export const MAX_ADDRESSES = 4096;

const HEADER_INTS = 16;
const LOCK = 0;
const TICKETS = 1;
const WORKERS = 2;

/** Stored responses whose instance is remembered, about. */
const MAX_STORED = 16_384;

/** One 32-bit word for each instance. */
const INT_FIELDS = [
  "consecutive",
  "ejections",
  "state",
  "probing",
  "requests",
  "failures",
  "contextLength",
] as const;
/** One double for each instance. Times are milliseconds of the process-wide monotonic clock. */
const FLOAT_FIELDS = [
  "turn",
  "ejectedUntil",
  "recoveredAt",
  "retryAfter",
  "windowStart",
  "lastPick",
] as const;

/** The memory behind all counters; the same buffer is mapped by every worker. */
export class SharedState {
  /** Times in a row that an instance failed. */
  readonly consecutive: Int32Array;
  /** How often in a row it was ejected; the next ejection is longer. */
  readonly ejections: Int32Array;
  readonly state: Int32Array;
  /** Number of the worker (plus 1) whose probe request of a half-open instance is under way, or 0. */
  readonly probing: Int32Array;
  /** Requests that ended (not neutral) and failures among them in the current error window. */
  readonly requests: Int32Array;
  readonly failures: Int32Array;
  /** `max_model_len` of its /v1/models; 0 when unknown. */
  readonly contextLength: Int32Array;
  /** Current weight of the smooth weighted round robin. */
  readonly turn: Float64Array;
  readonly ejectedUntil: Float64Array;
  readonly recoveredAt: Float64Array;
  readonly retryAfter: Float64Array;
  readonly windowStart: Float64Array;
  /** Order of the last picks, for ties. */
  readonly lastPick: Float64Array;

  /** Numbers made of the ids of stored responses (0 for none), and the slots of their instances. */
  readonly storedIds: Float64Array;
  readonly storedSlots: Int32Array;

  readonly #header: Int32Array;
  /** In flight: a row of MAX_SLOTS for each worker, so that a dead worker's leases can be dropped. */
  readonly #inFlight: Int32Array;
  /** Requests that wait, rows as above: how many, and the place of the first (0 for nobody). */
  readonly #lineLength: Int32Array;
  readonly #lineFront: Float64Array;
  /** Whose connections are counted in a place, as a number that stands for the address; 0 for nobody. */
  readonly addressKeys: Float64Array;
  /** Connections of clients: a row of MAX_ADDRESSES for each worker. */
  readonly #connections: Int32Array;

  static create(): SharedState {
    const rows = MAX_WORKERS * MAX_SLOTS;
    const ints = HEADER_INTS + MAX_STORED + 2 * rows + INT_FIELDS.length * MAX_SLOTS +
      MAX_WORKERS * MAX_ADDRESSES;
    const floats = rows + MAX_STORED + FLOAT_FIELDS.length * MAX_SLOTS + MAX_ADDRESSES;
    return new SharedState(new SharedArrayBuffer(ints * 4 + floats * 8), 0);
  }

  /** Maps `buffer` for the worker with number `worker` (0 to MAX_WORKERS - 1). */
  constructor(readonly buffer: SharedArrayBuffer, readonly worker: number) {
    let offset = 0;
    const ints = (length: number) => {
      const view = new Int32Array(buffer, offset, length);
      offset += length * 4;
      return view;
    };
    const floats = (length = MAX_SLOTS) => {
      const view = new Float64Array(buffer, offset, length);
      offset += length * 8;
      return view;
    };
    this.#header = ints(HEADER_INTS);
    this.#inFlight = ints(MAX_WORKERS * MAX_SLOTS);
    this.#lineLength = ints(MAX_WORKERS * MAX_SLOTS);
    this.storedSlots = ints(MAX_STORED);
    this.consecutive = ints(MAX_SLOTS);
    this.ejections = ints(MAX_SLOTS);
    this.state = ints(MAX_SLOTS);
    this.probing = ints(MAX_SLOTS);
    this.requests = ints(MAX_SLOTS);
    this.failures = ints(MAX_SLOTS);
    this.contextLength = ints(MAX_SLOTS);
    this.#connections = ints(MAX_WORKERS * MAX_ADDRESSES);
    this.turn = floats();
    this.ejectedUntil = floats();
    this.recoveredAt = floats();
    this.retryAfter = floats();
    this.windowStart = floats();
    this.lastPick = floats();
    this.#lineFront = floats(MAX_WORKERS * MAX_SLOTS);
    this.storedIds = floats(MAX_STORED);
    this.addressKeys = floats(MAX_ADDRESSES);
    if (worker > this.#header[WORKERS]) Atomics.store(this.#header, WORKERS, worker);
  }

  /** Requests in flight to the instance in `slot`, over all workers. */
  inFlight(slot: number): number {
    return this.#sum(this.#inFlight, slot);
  }

  /** Requests in flight from this worker alone. */
  ownInFlight(slot: number): number {
    return this.#inFlight[this.worker * MAX_SLOTS + slot];
  }

  addInFlight(slot: number, change: 1 | -1): void {
    Atomics.add(this.#inFlight, this.worker * MAX_SLOTS + slot, change);
  }

  /** Runs `body` while no other worker runs one: picks and their claims are one step. Not reentrant. */
  locked<T>(body: () => T): T {
    const mine = this.worker + 1;
    while (Atomics.compareExchange(this.#header, LOCK, 0, mine) !== 0);
    try {
      return body();
    } finally {
      Atomics.store(this.#header, LOCK, 0);
    }
  }

  /** Requests that wait for the model in `slot`, over all workers. */
  lineLength(slot: number): number {
    return this.#sum(this.#lineLength, slot);
  }

  addToLine(slot: number, change: 1 | -1): void {
    Atomics.add(this.#lineLength, this.worker * MAX_SLOTS + slot, change);
  }

  /** The lowest place in the line of `slot` over all workers; Infinity when nobody waits. */
  lineFront(slot: number): number {
    let front = Infinity;
    for (let worker = this.#header[WORKERS]; worker >= 0; worker--) {
      const place = this.#lineFront[worker * MAX_SLOTS + slot];
      if (place !== 0 && place < front) front = place;
    }
    return front;
  }

  setOwnFront(slot: number, place: number): void {
    this.#lineFront[this.worker * MAX_SLOTS + slot] = place === Infinity ? 0 : place;
  }

  /** The number of one more who waits, from 1 on (after four thousand million again). */
  nextTicket(): number {
    const last = Atomics.add(this.#header, TICKETS, 1) >>> 0;
    return last + 1;
  }

  /** Connections of the address in `place`, over all workers. */
  connections(place: number): number {
    let sum = 0;
    for (let worker = this.#header[WORKERS]; worker >= 0; worker--) {
      sum += this.#connections[worker * MAX_ADDRESSES + place];
    }
    return sum;
  }

  addConnections(place: number, change: 1 | -1): void {
    Atomics.add(this.#connections, this.worker * MAX_ADDRESSES + place, change);
  }

  /** Makes the instance's probe this worker's. */
  beginProbe(slot: number): void {
    Atomics.store(this.probing, slot, this.worker + 1);
  }

  endProbe(slot: number): void {
    Atomics.store(this.probing, slot, 0);
  }

  /**
   * Forgets a worker that died: its leases and probes are released, those who waited in it are out of
   * the line, a lock that it held is opened.
   */
  dropWorker(worker: number): void {
    Atomics.compareExchange(this.#header, LOCK, worker + 1, 0);
    for (let slot = 0; slot < MAX_SLOTS; slot++) {
      Atomics.store(this.#inFlight, worker * MAX_SLOTS + slot, 0);
      Atomics.store(this.#lineLength, worker * MAX_SLOTS + slot, 0);
      this.#lineFront[worker * MAX_SLOTS + slot] = 0;
      Atomics.compareExchange(this.probing, slot, worker + 1, 0);
    }
    this.#connections.fill(0, worker * MAX_ADDRESSES, (worker + 1) * MAX_ADDRESSES);
  }

  #sum(rows: Int32Array, slot: number): number {
    let sum = 0;
    for (let worker = this.#header[WORKERS]; worker >= 0; worker--) {
      sum += rows[worker * MAX_SLOTS + slot];
    }
    return sum;
  }

  /** Makes `slot` fresh for a new instance. */
  clearSlot(slot: number): void {
    for (const field of INT_FIELDS) this[field][slot] = 0;
    for (const field of FLOAT_FIELDS) this[field][slot] = 0;
  }
}
