"use strict";
// The numbers of the page: unpacked once, read by name, customer and period.

const about = JSON.parse(document.getElementById("about").textContent);
const arrays = {};

async function unpack() {
  const text = document.getElementById("numbers").textContent;
  const bytes = Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));
  const whole = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"));
  const buffer = await new Response(whole).arrayBuffer();
  const kinds = { int8: Int8Array, int16: Int16Array, uint32: Uint32Array };
  for (const [name, entry] of Object.entries(about.directory)) {
    const size = entry.shape.reduce((product, length) => product * length, 1);
    arrays[name] = { ...entry, data: new kinds[entry.kind](buffer, entry.at, size) };
  }
}

// value of array `name` at customer i, period t and column k, whichever of them it has
function at(name, i, t = 0, k = 0) {
  const array = arrays[name], shape = array.shape;
  const place = shape.length === 1 ? i : shape.length === 2 ? i * shape[1] + t
    : (k * shape[1] + i) * shape[2] + t;
  return array.data[place] * array.scale;
}

const has = (name) => name in arrays;
const action = (p, i, t) => at(`${p}.actions`, i, t);
const event = (p, i, t, name) => at(`${p}.event.${name}`, i, t);

function profit(p, i, t) {
  let sum = 0;
  for (let k = 0; k < about.lines.length; k++) sum += at(`${p}.ledger`, i, t, k);
  return sum;
}

// why an action is forbidden at this moment, one text a broken rule; empty if it is allowed
function reasons(p, i, t, a) {
  const words = [at(`${p}.blocked`, i, t, 0), at(`${p}.blocked`, i, t, 1)];
  return about.rules[a]
    .filter(([bit]) => (words[bit >> 5] >>> (bit & 31)) & 1)
    .map(([, text]) => text);
}

// first period in which the two policies do different things, from `start` on; -1 if there is none
function parting(first, second, i, start = 0) {
  for (let t = start; t < about.horizon; t++)
    if (action(first, i, t) !== action(second, i, t)) return t;
  return -1;
}

// periods until the journey was seen to be over
function seenPeriods(p, i) {
  let t = about.horizon;
  while (t > 0 && action(p, i, t - 1) < 0) t--;
  return t;
}

const left = (p, i) => at(`${p}.lifetime`, i) < about.horizon;
const gain = (first, second, i) => at(`${first}.value`, i) - at(`${second}.value`, i);
