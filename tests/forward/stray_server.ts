// A worker that plays an instance: it answers each request with "proper", and says "stray" on every
// connection when it is told to, whatever the isolate that asks is busy with.

const answer = (word: string) =>
  new TextEncoder().encode(`HTTP/1.1 200 OK\r\ncontent-length: ${word.length}\r\n\r\n${word}`);

const scope = globalThis as unknown as {
  postMessage(message: unknown): void;
  onmessage: ((event: MessageEvent<SharedArrayBuffer>) => void) | null;
};
const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
const open: Deno.TcpConn[] = [];

scope.onmessage = async ({ data }) => {
  // A connection that was given up meanwhile takes no more.
  for (const conn of open) await conn.write(answer("stray!")).catch(() => {});
  const told = new Int32Array(data);
  Atomics.store(told, 0, 1);
  Atomics.notify(told, 0);
};
scope.postMessage(listener.addr.port);

for await (const conn of listener) {
  open.push(conn);
  (async () => {
    const buffer = new Uint8Array(4096);
    while (await conn.read(buffer).catch(() => null) !== null) await conn.write(answer("proper"));
  })();
}
