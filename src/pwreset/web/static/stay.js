// While one does something here, the page stays good: its cookie is for a quarter of an hour, and each answer renews it.
// Whoever was away for longer learns of it at the first sign of life, not after typing. Without this the page works as long.
"use strict";

(() => {
  const SOMETIMES = 4 * 60 * 1000;
  const SIGNS = ["focusin", "input", "keydown", "pointerdown", "scroll"];
  // After a wrong code the address is the one that the form was sent to, which only leads back to the page.
  const here = window.location.pathname.split("/", 3).join("/") + window.location.search;
  let renewed = Date.now();

  const renew = async () => {
    if (Date.now() - renewed < SOMETIMES) return;
    renewed = Date.now();
    try {
      const { status } = await fetch(here, { method: "HEAD", redirect: "error" });
      // Too long away, or a link that is none any more. What passes (a server that is down, say) is no reason.
      if ([400, 404, 410].includes(status)) window.location.reload();
    } catch {
      // No network just now: the next sign of life may have more luck.
    }
  };

  SIGNS.forEach((sign) => document.addEventListener(sign, renew, { capture: true, passive: true }));
})();
