"use strict";
// One world at a time, and one entry of a legend at a time. Paper gets all of them.

const scenes = [...document.querySelectorAll(".scene")];
const tabs = [...document.querySelectorAll(".tabs button")];

function choose(key) {
  for (const scene of scenes) scene.classList.toggle("away", scene.dataset.scene !== key);
  for (const tab of tabs) {
    tab.setAttribute("aria-selected", String(tab.dataset.scene === key));
    tab.tabIndex = tab.dataset.scene === key ? 0 : -1;
  }
}

tabs.forEach((tab, k) => {
  tab.addEventListener("click", () => choose(tab.dataset.scene));
  tab.addEventListener("keydown", (pressed) => {
    const step = { ArrowLeft: -1, ArrowRight: 1 }[pressed.key];
    if (!step) return;
    const next = tabs[(k + step + tabs.length) % tabs.length];
    choose(next.dataset.scene);
    next.focus();
  });
});
// a link to a world, from this page or from elsewhere, opens its tab
function follow() {
  const key = decodeURIComponent(location.hash).replace(/^#scene-/, "");
  const known = scenes.find((scene) => scene.dataset.scene === key);
  if (known) {
    choose(key);
    known.scrollIntoView();
  }
  return Boolean(known);
}
window.addEventListener("hashchange", follow);
if (!follow() && tabs.length) choose(tabs[0].dataset.scene);

// Drawings take their colours from the page: to bring one entry out, all others of its legend turn faint.
function bringOut(item) {
  const figure = item.closest("figure"), items = [...figure.querySelectorAll(".legend li")];
  const chosen = item.getAttribute("aria-pressed") === "true" ? null : item;
  for (const each of items) {
    const look = `--${each.dataset.look}`, same = chosen?.dataset.look === each.dataset.look;
    each.setAttribute("aria-pressed", String(each === chosen));
    if (chosen && !same) figure.style.setProperty(look, "var(--faint)");
    else figure.style.removeProperty(look);
  }
}

for (const item of document.querySelectorAll(".legend li")) {
  item.tabIndex = 0;
  item.setAttribute("role", "button");
  item.setAttribute("aria-pressed", "false");
  item.addEventListener("click", () => bringOut(item));
  item.addEventListener("keydown", (pressed) => {
    if (pressed.key !== "Enter" && pressed.key !== " ") return;
    pressed.preventDefault();
    bringOut(item);
  });
}
document.body.dataset.ready = "yes";
