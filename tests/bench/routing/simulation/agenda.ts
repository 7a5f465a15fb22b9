// What happens when, in simulated seconds: a heap of events, earliest first; those of the same time in the order in
// which they were put there.

interface Event {
  readonly time: number;
  readonly number: number;
  readonly happen: () => void;
}

const isBefore = (one: Event, other: Event) =>
  one.time < other.time || (one.time === other.time && one.number < other.number);

export class Agenda {
  /** Seconds. */
  now = 0;
  readonly #heap: Event[] = [];
  #count = 0;

  get isEmpty(): boolean {
    return this.#heap.length === 0;
  }

  at(time: number, happen: () => void): void {
    const heap = this.#heap;
    const event = { time, number: this.#count++, happen };
    let place = heap.length;
    heap.push(event);
    while (place > 0) {
      const parent = (place - 1) >> 1;
      if (!isBefore(event, heap[parent])) break;
      heap[place] = heap[parent];
      place = parent;
    }
    heap[place] = event;
  }

  /** The next event happens. There is one. */
  step(): void {
    const heap = this.#heap;
    const { time, happen } = heap[0];
    const last = heap.pop()!;
    if (heap.length > 0) this.#sink(last);
    this.now = time;
    happen();
  }

  #sink(event: Event): void {
    const heap = this.#heap;
    let place = 0;
    for (;;) {
      let child = 2 * place + 1;
      if (child >= heap.length) break;
      if (child + 1 < heap.length && isBefore(heap[child + 1], heap[child])) child++;
      if (!isBefore(heap[child], event)) break;
      heap[place] = heap[child];
      place = child;
    }
    heap[place] = event;
  }
}
