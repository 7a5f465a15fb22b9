// An instance that no connection to comes about.

import { waitFor } from "../support/wait.ts";

/** A listener whose queue of connections is full: the kernel leaves any further one unanswered. */
export async function startBlackHole(): Promise<
  Disposable & { url: string; open(answer: (conn: Deno.TcpConn) => Promise<void>): void }
> {
  const listener = Deno.listen({ hostname: "127.0.0.1", port: 0, tcpBacklog: 1 });
  const { port } = listener.addr as Deno.NetAddr;
  const filling: Deno.TcpConn[] = [];
  for (let i = 0; i < 8; i++) {
    Deno.connect({ hostname: "127.0.0.1", port }).then(
      (connection) => filling.push(connection),
      () => {
        // Still waiting when the listener closes: that was its purpose.
      },
    );
  }
  await waitFor(() => filling.length >= 2, "the queue of connections to be full");
  return {
    url: `http://127.0.0.1:${port}/v1`,
    async open(answer) {
      try {
        for await (const conn of listener) {
          // Those that only fill the queue say nothing.
          answer(conn).catch(() => {}).finally(() => conn.close());
        }
      } catch (error) {
        if (!(error instanceof Deno.errors.BadResource)) throw error;
      }
    },
    [Symbol.dispose]() {
      for (const connection of filling) connection.close();
      listener.close();
    },
  };
}
