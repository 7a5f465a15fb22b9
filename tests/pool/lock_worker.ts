// A worker for the tests of the lock: does what it is told with the memory that it is given.

import { SharedState } from "../../lib/pool/shared_state.ts";

export interface Order {
  buffer: SharedArrayBuffer;
  worker: number;
  /** Counter [0], and a word that somebody may wait for [1]. */
  board: SharedArrayBuffer;
  /**
   * hold: take the lock and sleep in it for `ms`; hang: never come back from it; count: add 1 under the
   * lock `times` times, in two steps.
   */
  kind: "hold" | "hang" | "count";
  ms?: number;
  times?: number;
}

if ("WorkerGlobalScope" in globalThis) {
  const scope = globalThis as unknown as {
    onmessage: (event: MessageEvent<Order>) => void;
    postMessage(message: string): void;
  };
  scope.onmessage = ({ data: order }) => {
    const shared = new SharedState(order.buffer, order.worker);
    const board = new Int32Array(order.board);
    switch (order.kind) {
      case "hold":
        shared.locked(() => {
          scope.postMessage("locked");
          Atomics.wait(board, 1, 0, order.ms);
        });
        break;
      case "hang":
        shared.locked(() => {
          scope.postMessage("locked");
          for (;;) Atomics.wait(board, 1, 0, 1000);
        });
        break;
      case "count":
        for (let i = 0; i < order.times!; i++) {
          shared.locked(() => {
            const before = board[0];
            board[0] = before + 1;
          });
        }
    }
    scope.postMessage("done");
  };
}
