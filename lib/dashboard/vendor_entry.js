// What the dashboard's pages use of the libraries; tools/vendor.ts makes pages/vendor/libraries.js of it.

export { Fragment, h, render } from "preact";
export { useEffect, useLayoutEffect, useMemo, useRef, useState } from "preact/hooks";
export { default as htm } from "htm";
export { default as uPlot } from "uplot";
