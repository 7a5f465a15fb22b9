// What the dashboard's pages use of the libraries; tools/vendor.ts makes pages/vendor/libraries.js of it.

export { Fragment, h, render } from "npm:preact@10.29.8";
export { useEffect, useLayoutEffect, useMemo, useRef, useState } from "npm:preact@10.29.8/hooks";
export { default as htm } from "npm:htm@3.1.1";
export { default as uPlot } from "npm:uplot@1.6.32";
