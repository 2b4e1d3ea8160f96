"use strict";
// One world at a time, and one entry of a legend at a time. Paper gets all that are unpacked.

const scenes = [...document.querySelectorAll(".scene")];
const tabs = [...document.querySelectorAll(".tabs button")];
const list = document.querySelector(".tabs select");

function choose(key) {
  for (const scene of scenes) {
    scene.classList.toggle("away", scene.dataset.scene !== key);
    if (scene.dataset.scene === key) unpack(scene);
  }
  for (const tab of tabs) {
    tab.setAttribute("aria-selected", String(tab.dataset.scene === key));
    tab.tabIndex = tab.dataset.scene === key ? 0 : -1;
  }
  if (list) list.value = key;
}

// worlds under other variations lie in the file compressed, until somebody wants to see them
async function unpack(scene) {
  const packed = scene.querySelector("script");
  if (!packed) return;
  packed.remove();
  const bytes = Uint8Array.from(atob(packed.textContent), (letter) => letter.charCodeAt(0));
  const whole = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"));
  scene.querySelector(".inside").innerHTML = await new Response(whole).text();
  scene.classList.remove("packed");
  openLegends(scene);
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
list?.addEventListener("change", () => choose(list.value));

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

function openLegends(part) {
  for (const item of part.querySelectorAll(".legend li")) {
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
}
openLegends(document);
if (!follow() && scenes.length) choose(scenes[0].dataset.scene);
document.body.dataset.ready = "yes";
