// The one way in which pages are written: tagged templates that make preact's nodes. Texts are always
// texts; nothing here or elsewhere turns one into HTML.

import { h, htm } from "./vendor/libraries.js";

export const html = htm.bind(h);
