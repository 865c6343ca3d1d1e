// A form is sent once, however often its button is pressed. The page works without it.
"use strict";

(() => {
  const buttons = () => document.querySelectorAll("form[data-once] button");
  let sent = false;

  const mark = (busy) => {
    sent = busy;
    buttons().forEach((button) => button.setAttribute("aria-disabled", String(busy)));
  };

  document.querySelectorAll("form[data-once]").forEach((form) =>
    form.addEventListener("submit", (event) => {
      if (sent) event.preventDefault();
      else {
        // Of a page that comes while a field has the focus, Orca 43 leaves out the title, or all.
        form.querySelector("button").focus();
        mark(true);
      }
    }),
  );

  // A page that comes back out of the browser's memory is ready again.
  window.addEventListener("pageshow", () => mark(false));
})();
