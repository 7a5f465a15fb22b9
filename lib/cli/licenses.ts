// `licenses`: prints the licence texts of what the program has in it.

import { command } from "./command/command.ts";

export const licenses = command({
  name: "licenses",
  summary: "prints the licences of the libraries that the program contains",
  about: "Names, versions and licence texts of everything that this program has in it.",
  flags: {},
  examples: ["simple-ai-gateway licenses | less"],
}, async () => {
  // Read when it is asked for: a gateway has no use for it.
  const { default: text } = await import("./licenses/third_party.txt", { with: { type: "text" } });
  console.log(text.trimEnd());
  return 0;
});
