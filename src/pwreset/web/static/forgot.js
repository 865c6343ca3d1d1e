// Proves some work while one types, so that a form is dear for whoever sends thousands and free for a person.
// The page works without it. Nothing is asked of anybody: the challenge is in the page (ALTCHA, version 2).
"use strict";

(() => {
  const AT_ONCE = 8;
  const form = document.getElementById("forgot");
  const submit = document.getElementById("submit");
  const status = document.getElementById("status");
  const proof = document.getElementById("proof");
  const words = submit.textContent;
  const challenge = form.dataset.challenge ? JSON.parse(form.dataset.challenge) : null;
  const crypto = window.crypto && window.crypto.subtle;

  const bytes = (hex) => Uint8Array.from(hex.match(/../g), (pair) => parseInt(pair, 16));
  const hex = (buffer) => Array.from(new Uint8Array(buffer), (byte) => byte.toString(16).padStart(2, "0")).join("");

  const attempt = async ({ nonce, salt, cost, keyLength }, counter) => {
    const start = bytes(nonce);
    const password = new Uint8Array(start.length + 4);
    password.set(start);
    new DataView(password.buffer).setUint32(start.length, counter);
    const key = await crypto.importKey("raw", password, "PBKDF2", false, ["deriveBits"]);
    const how = { name: "PBKDF2", hash: "SHA-256", salt: bytes(salt), iterations: cost };
    return hex(await crypto.deriveBits(how, key, keyLength * 8));
  };

  const solve = async () => {
    const { parameters } = challenge;
    for (let first = 0; ; first += AT_ONCE) {
      const tries = Array.from({ length: AT_ONCE }, (_, one) => attempt(parameters, first + one));
      const found = await Promise.all(tries);
      const at = found.findIndex((derivedKey) => derivedKey.startsWith(parameters.keyPrefix));
      if (at >= 0) {
        const solution = { counter: first + at, derivedKey: found[at] };
        proof.value = btoa(JSON.stringify({ challenge, solution }));
        return;
      }
    }
  };

  let solving = null;
  const begin = () => {
    // What goes wrong here costs the proof only: the form is then sent as without JavaScript.
    solving = solving || (challenge && crypto ? solve().catch(() => {}) : Promise.resolve());
    return solving;
  };

  let sending = false;
  form.addEventListener("input", begin, { once: true });
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    if (sending) return;
    sending = true;
    submit.focus(); // Of a page that comes while a field has the focus, Orca 43 leaves out the title, or all.
    submit.setAttribute("aria-disabled", "true");
    submit.textContent = form.dataset.busy;
    status.textContent = form.dataset.busy;
    // By the prototype's: the form's own name for it is the button's id.
    begin().then(() => HTMLFormElement.prototype.submit.call(form));
  });

  // Come back to by the browser's button, as it was left: a proof counts once, so the page is asked for anew.
  window.addEventListener("pageshow", (event) => {
    if (!event.persisted || !sending) return;
    submit.removeAttribute("aria-disabled");
    submit.textContent = words;
    window.location.reload();
  });
})();
