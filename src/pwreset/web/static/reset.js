// What the page does beyond HTML: hints while one types, showing what was typed, one submission only.
// The page works without it; nothing is decided here, and nothing typed leaves the page but with the form.
"use strict";

(() => {
  const form = document.getElementById("reset");
  const password = document.getElementById("password");
  const repeat = document.getElementById("repeat");
  const present = document.getElementById("present"); // only where it is asked for
  const reveal = document.getElementById("reveal");
  const submit = document.getElementById("submit");
  const same = document.getElementById("same");
  const status = document.getElementById("status");
  const list = document.querySelector("#rules ul");
  const rules = list ? Array.from(list.querySelectorAll("li[data-rule]")) : [];

  // As the server counts: characters, not UTF-16 units, of the NFKC form.
  const normal = (text) => text.normalize("NFKC");
  const count = (text) => Array.from(text).length;
  const fold = (text) => normal(text).toLowerCase();
  const ownWords = list ? list.dataset.words.split(" ").filter(Boolean) : [];

  const GUESSES_OF_STRENGTH = [0, 1e3, 1e6, 1e8, 1e10];
  const guesses = typeof guessesAtMost === "function" ? guessesAtMost : () => Infinity; // guesses.js, where it is needed

  const matches = (text, kind) => (normal(text).match(kind) || []).length;
  const letters = (text) => matches(text, /\p{L}/gu);
  const small = (text) => matches(text, /\p{Ll}/gu);
  const capitals = (text) => matches(text, /\p{Lu}/gu);
  const digits = (text) => matches(text, /\p{Nd}/gu);
  const signs = (text) => count(normal(text)) - letters(text) - digits(text);
  const kinds = (text) =>
    [small(text), capitals(text), digits(text), count(normal(text)) - small(text) - capitals(text) - digits(text)]
      .filter(Boolean).length;

  const judges = {
    "min-length": (text, number) => count(normal(text)) >= number,
    "max-length": (text, number) => count(text) <= number,
    "min-digits": (text, number) => digits(text) >= number,
    "min-letters": (text, number) => letters(text) >= number,
    "min-small-letters": (text, number) => small(text) >= number,
    "min-capitals": (text, number) => capitals(text) >= number,
    "min-signs": (text, number) => signs(text) >= number,
    complexity: (text, number, item) =>
      Number(item.dataset.below || Infinity) <= count(normal(text)) || !number || kinds(text) >= number,
    "forbidden-word": (text, number, item) =>
      !item.dataset.forbidden.split("\n").some((word) => fold(text).includes(word)),
    // Whose page it is not told yet, on the page for a change.
    context: (text) => (ownWords.length ? !ownWords.some((word) => fold(text).includes(word)) : null),
    "not-changed": (text) => (present && present.value ? text !== present.value : null),
    // What is worse than this the server refuses too; what is not, it may still refuse.
    "too-common": (text, number) => (guesses(text) < GUESSES_OF_STRENGTH[number] ? false : null),
  };

  // Nobody likes to be told off in the middle of a word: what is kept shows at once, what is not after a first try.
  let tried = false;

  const judge = (item, text) => {
    const known = judges[item.dataset.rule];
    const verdict = text && known ? known(text, Number(item.dataset.number), item) : null;
    return verdict === false && !tried ? null : verdict;
  };

  const tell = (item, verdict) => {
    item.classList.toggle("kept", verdict === true);
    item.classList.toggle("broken", verdict === false);
    let note = item.querySelector(".unseen");
    if (!note) {
      note = document.createElement("span");
      note.className = "unseen";
      item.append(note);
    }
    const words = { true: list.dataset.kept, false: list.dataset.broken }[verdict];
    note.textContent = words ? ` – ${words}` : "";
  };

  // A screen reader tells whatever is put there, so the same is not put there twice.
  const put = (place, words) => {
    if (place.textContent !== words) {
      place.textContent = words;
    }
  };

  // And it is interrupted by the next key and the next field: what can wait is told when neither has come for a while.
  const PAUSE = 1000;
  let pause = 0;

  const pausing = () => {
    if (password.value && repeat.value && password.value !== repeat.value) {
      put(same, same.dataset.differ);
    }
    if (document.activeElement !== password) {
      const broken = rules.filter((item) => item.classList.contains("broken"));
      put(status, broken.map((item) => `${item.textContent}.`).join(" "));
    }
  };

  const hint = () => {
    rules.forEach((item) => tell(item, judge(item, password.value)));
    if (!password.value || !repeat.value) {
      put(same, "");
    } else if (password.value === repeat.value) {
      put(same, same.dataset.same);
    } else if (same.textContent === same.dataset.same) {
      put(same, "");
    }
    clearTimeout(pause);
    pause = setTimeout(pausing, PAUSE);
  };

  const show = (visible) => {
    for (const field of [present, password, repeat].filter(Boolean)) {
      field.type = visible ? "text" : "password";
    }
    reveal.setAttribute("aria-pressed", String(visible));
  };

  const busy = (isBusy) => {
    if (isBusy) {
      submit.dataset.words = submit.textContent;
      submit.textContent = form.dataset.busy;
      submit.setAttribute("aria-disabled", "true");
      clearTimeout(pause);
      put(status, form.dataset.busy);
    } else if (submit.dataset.words) {
      submit.textContent = submit.dataset.words;
      submit.removeAttribute("aria-disabled");
      put(status, "");
    }
  };

  password.addEventListener("input", () => {
    put(status, "");
    hint();
  });
  password.addEventListener("change", () => {
    tried = true;
    hint();
  });
  repeat.addEventListener("input", hint);
  if (present) {
    present.addEventListener("input", hint);
  }

  reveal.hidden = false;
  reveal.addEventListener("click", () => show(password.type === "password"));

  const take = document.getElementById("take");
  if (take) {
    take.hidden = false;
    take.addEventListener("click", () => {
      password.value = repeat.value = document.getElementById("suggested").textContent;
      tried = true;
      show(true);
      hint();
      submit.focus();
    });
  }

  form.addEventListener("submit", (event) => {
    if (submit.getAttribute("aria-disabled") === "true") {
      event.preventDefault();
      return;
    }
    show(false); // Browsers remember what was typed into plain text fields.
    submit.focus(); // Of a page that comes while a field has the focus, Orca 43 leaves out the title, or all.
    busy(true);
  });

  // A page that comes back out of the browser's memory is ready again.
  window.addEventListener("pageshow", () => {
    busy(false);
    hint();
  });
})();
