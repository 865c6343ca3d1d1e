// What each page with a form does once it is there. The page works without it.
"use strict";

(() => {
  // The answer to a form is from now on a page like any other: to load it again, or to come back to it, sends nothing
  // again, least of all a password.
  window.history.replaceState(null, "", window.location.href);

  // In a frame of another origin browsers pass over the `autofocus` that it has.
  const summary = document.getElementById("summary");
  if (summary) summary.focus();
})();
