// How much memory this isolate has. What is resident belongs to the whole process, in which test files run side
// by side.

/** Bytes of its heap, free room in it among them, and of its buffers. */
export function isolateBytes(): number {
  const { heapTotal, external } = Deno.memoryUsage();
  return heapTotal + external;
}
