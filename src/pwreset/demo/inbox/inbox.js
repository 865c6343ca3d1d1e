// Shows each mail in its full height, and loads the page anew when something came. Without it the page does so every ten
// seconds and frames scroll.
"use strict";

const fit = (frame) => {
  const page = frame.contentDocument;
  if (page && page.body) {
    frame.style.height = `${page.body.scrollHeight}px`;
  }
};

for (const frame of document.querySelectorAll("iframe")) {
  frame.addEventListener("load", () => fit(frame));
  fit(frame);
  new ResizeObserver(() => fit(frame)).observe(frame);
}

setInterval(async () => {
  try {
    const answer = await fetch("count");
    if ((await answer.text()) !== document.body.dataset.count) {
      location.reload();
    }
  } catch {
    // The demo has ended; the page stays as it is.
  }
}, 1000);
