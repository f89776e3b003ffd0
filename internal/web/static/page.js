// Fetches this page every few seconds and puts in what has changed, so that
// focus, scroll position, what is unfolded and what is selected stay. Without
// this script the page is whole, and refreshes itself by a meta element.
"use strict";

const every = 5000; // ms
let paused = false;
let lostSince = null;

const part = (name) => document.querySelector(`[data-part="${CSS.escape(name)}"]`);

// keepOpen carries over what the reader has unfolded.
function keepOpen(old, fresh) {
  for (const d of fresh.querySelectorAll("details")) {
    const before = d.id && document.getElementById(d.id);
    if (before && old.contains(before)) d.open = before.open;
  }
  const seen = [...old.querySelectorAll("details.seen")];
  [...fresh.querySelectorAll("details.seen")].forEach((d, i) => { d.open = Boolean(seen[i]?.open); });
}

// place finds the element with the focus again: by its number among those that
// can have it, in the part that is replaced.
const focusable = "a[href], button, summary, [tabindex]";
function replace(old, fresh) {
  const at = old === document.activeElement ? -1 : [...old.querySelectorAll(focusable)].indexOf(document.activeElement);
  const self = old === document.activeElement;
  keepOpen(old, fresh);
  old.replaceWith(fresh);
  arm(fresh);
  if (self) fresh.focus({ preventScroll: true });
  else if (at >= 0) fresh.querySelectorAll(focusable)[at]?.focus({ preventScroll: true });
}

function selecting(el) {
  const s = window.getSelection();
  return s && !s.isCollapsed && s.containsNode(el, true);
}

function update(doc) {
  const main = document.querySelector("main");
  let last = null;
  const names = new Set();
  for (const fresh of doc.querySelectorAll("[data-part]")) {
    const name = fresh.dataset.part;
    names.add(name);
    const old = part(name);
    const text = fresh.outerHTML;
    if (!old) {
      if (last) last.after(fresh); else main.prepend(fresh);
      arm(fresh);
      last = fresh;
      was.set(name, text);
      continue;
    }
    last = old;
    if (was.get(name) === text || selecting(old) || name === "top") {
      if (name === "top") top(old, fresh);
      continue;
    }
    was.set(name, text);
    last = fresh;
    replace(old, fresh);
  }
  for (const old of document.querySelectorAll("[data-part]")) {
    if (!names.has(old.dataset.part)) {
      was.delete(old.dataset.part);
      old.remove();
    }
  }
  if (document.title !== doc.title) {
    document.title = doc.title;
    document.getElementById("icon").href = doc.getElementById("icon").getAttribute("href");
  }
}

// top holds the button, which stays; only the time changes.
function top(old, fresh) {
  old.querySelector("time").replaceWith(fresh.querySelector("time"));
}

// tell says a new headline to a screen reader, once.
let told = document.getElementById("headline").textContent;
function tell() {
  const word = document.querySelector(".word span").textContent;
  const now = document.getElementById("headline").textContent;
  if (now !== told) document.getElementById("said").textContent = `${word}: ${now}`;
  told = now;
}

async function refresh() {
  if (paused || document.hidden) return;
  const lost = document.getElementById("lost");
  try {
    const r = await fetch(location.pathname, { cache: "no-store", signal: AbortSignal.timeout(10000) });
    if (!r.ok) throw new Error(`it says ${r.status}`);
    update(new DOMParser().parseFromString(await r.text(), "text/html"));
    tell();
    lostSince = null;
    if (lost.textContent) lost.textContent = "";
  } catch {
    if (!lostSince) {
      lostSince = new Date();
      lost.textContent = `kerbagent does not answer since ${lostSince.toISOString().slice(11, 19)} UTC: all below is from before`;
    }
  }
}

// arm gives the buttons of a part their work.
function arm(root) {
  for (const b of root.querySelectorAll("button.copy")) {
    if (!navigator.clipboard) continue; // not over plain HTTP from afar
    b.hidden = false;
    b.addEventListener("click", async () => {
      await navigator.clipboard.writeText(b.previousElementSibling.textContent);
      b.textContent = "copied";
      setTimeout(() => { b.textContent = "copy"; }, 2000);
    });
  }
}

// What each part was when it came: the browser's own view of it changes.
const was = new Map();
for (const el of document.querySelectorAll("[data-part]")) was.set(el.dataset.part, el.outerHTML);
arm(document);

const pause = document.getElementById("pause");
const live = document.getElementById("live-text");
function say() {
  live.textContent = paused ? "refresh is paused" : `refreshes every ${every / 1000} s`;
  pause.textContent = paused ? "go on" : "pause";
}
pause.hidden = false;
pause.addEventListener("click", () => { paused = !paused; say(); refresh(); });
say();
document.addEventListener("visibilitychange", refresh);
setInterval(refresh, every);
