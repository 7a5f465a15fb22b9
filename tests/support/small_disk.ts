// A file system of a few kilobytes, since only one of its own can be filled: mounting it needs root on Linux.

/** null where this machine does not allow one. */
export async function smallDisk(
  kilobytes: number,
): Promise<{ path: string } & AsyncDisposable | null> {
  if (Deno.build.os !== "linux" || Deno.uid() !== 0) return null;
  const path = await Deno.makeTempDir();
  const mount = new Deno.Command("mount", {
    args: ["-t", "tmpfs", "-o", `size=${kilobytes}k`, "tmpfs", path],
    stderr: "null",
  });
  if (!(await mount.output()).success) {
    await Deno.remove(path);
    return null;
  }
  return {
    path,
    async [Symbol.asyncDispose]() {
      await new Deno.Command("umount", { args: [path] }).output();
      await Deno.remove(path);
    },
  };
}

async function hasNone(): Promise<boolean> {
  const probe = await smallDisk(64);
  await probe?.[Symbol.asyncDispose]();
  return probe === null;
}

export const noDisk = await hasNone();
