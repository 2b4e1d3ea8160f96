"use strict";
// What is chosen on the page, and the moment that is shown.

const $ = (id) => document.getElementById(id);
const everybody = about.customers.map((_, i) => i);
const chosen = { customer: 0, period: 0, found: [] };
const pairShown = () => [Number($("first").value), Number($("second").value)];

const OUTCOMES = {
  all: ["everybody", () => true],
  first: ["earns more under the first", (a, b, i) => gain(a, b, i) > 0.005],
  second: ["earns more under the second", (a, b, i) => gain(a, b, i) < -0.005],
  same: ["earns the same", (a, b, i) => Math.abs(gain(a, b, i)) <= 0.005],
  leftfirst: ["left under the first only", (a, b, i) => left(a, i) && !left(b, i)],
  leftsecond: ["left under the second only", (a, b, i) => !left(a, i) && left(b, i)],
  leftboth: ["left under both", (a, b, i) => left(a, i) && left(b, i)],
  stayed: ["stayed under both", (a, b, i) => !left(a, i) && !left(b, i)],
};
const TREATED = {
  all: ["any", () => true],
  differently: ["treated differently", (a, b, i) => parting(a, b, i) >= 0],
  alike: ["treated alike", (a, b, i) => parting(a, b, i) < 0],
};
const until = (t) => (t < 0 ? Infinity : t);
const ORDERS = {
  number: ["number", (_, __, i) => i],
  gain: ["gain of the first", (a, b, i) => -gain(a, b, i)],
  loss: ["gain of the second", (a, b, i) => gain(a, b, i)],
  parting: ["first difference", (a, b, i) => until(parting(a, b, i))],
};

function options(id, entries, value) {
  $(id).replaceChildren(...entries.map(([key, text]) => make("option", { value: key }, text)));
  $(id).value = value;
  $(id).addEventListener("change", filter);
}

function filter() {
  const [a, b] = pairShown(), persona = $("persona").value;
  const outcome = OUTCOMES[$("outcome").value][1], treated = TREATED[$("treated").value][1];
  const key = ORDERS[$("order").value][1];
  chosen.found = everybody.filter((i) => (persona === "all" || at("persona", i) === Number(persona))
    && outcome(a, b, i) && treated(a, b, i));
  const keys = chosen.found.map((i) => key(a, b, i));
  const places = new Map(chosen.found.map((i, k) => [i, keys[k]]));
  chosen.found.sort((i, j) => (places.get(i) === places.get(j) ? i - j : places.get(i) < places.get(j) ? -1 : 1));
  tell(a, b);
  list(a, b);
  $("one").hidden = chosen.found.length === 0;
  if (chosen.found.length)
    show(chosen.found.includes(chosen.customer) ? chosen.customer : chosen.found[0], chosen.period);
}

function tell(a, b) {
  const mean = everybody.reduce((sum, i) => sum + gain(a, b, i), 0) / everybody.length;
  const more = everybody.filter((i) => gain(a, b, i) > 0.005).length;
  const less = everybody.filter((i) => gain(a, b, i) < -0.005).length;
  const alike = everybody.filter((i) => parting(a, b, i) < 0).length;
  $("headline").textContent = `Under ${about.policies[a].name}, these ${everybody.length} customers ` +
    `are worth ${money(Math.abs(mean))} ${mean < 0 ? "less" : "more"} each than under ` +
    `${about.policies[b].name}: ${more} of them more, ${less} less. Treated alike all along: ${alike}.`;
  $("count").textContent = `${chosen.found.length} of ${everybody.length} customers; ` +
    `what each is worth more under the first (${about.currency})`;
}

function list(a, b) {
  $("list").replaceChildren(...chosen.found.map((i) => {
    const persona = readable(about.personas[at("persona", i)] ?? "");
    const item = make("li", { role: "option", id: `c${i}`, "aria-selected": "false" },
      make("span", {}, `${about.customers[i]} ${persona}`),
      make("span", { class: "gain" }, number(gain(a, b, i), 2, true)));
    item.addEventListener("click", () => show(i, chosen.period));
    return item;
  }));
}

function show(i, t) {
  const pair = pairShown();
  $(`c${chosen.customer}`)?.setAttribute("aria-selected", "false");
  chosen.customer = i;
  chosen.period = Math.min(Math.max(t, 0), about.horizon - 1);
  const item = $(`c${i}`);
  item?.setAttribute("aria-selected", "true");
  if (item) $("list").scrollTop = item.offsetTop - $("list").clientHeight / 2;
  $("list").setAttribute("aria-activedescendant", `c${i}`);
  const persona = readable(about.personas[at("persona", i)] ?? "");
  $("who").textContent = `Customer ${about.customers[i]}${persona ? ": " + persona : ""}`;
  $("sums").replaceChildren(...sums(pair, i).childNodes);
  $("when").value = chosen.period;
  drawChart(pair, i, chosen.period);
  const same = action(pair[0], i, chosen.period) === action(pair[1], i, chosen.period);
  $("moment").textContent = `${about.period} ${chosen.period}: ${same ? "the same" : "different actions"}`;
  pair.forEach((p, side) => $(`side${side}`).replaceChildren(...moment(p, side, i, chosen.period)));
}

function sums(pair, i) {
  const head = ["", `worth (${about.currency})`, "stay", "contacts", "purchases", "opt-outs"];
  return table(head, pair.map((p) => [about.policies[p].name, number(at(`${p}.value`, i)), lived(p, i),
    ...["contacts", "purchases", "opt_outs"].map((name) => number(at(`${p}.${name}`, i), 0))]));
}

function moment(p, side, i, t) {
  const name = make("h4", { class: `name${side}` }, about.policies[p].name);
  const a = action(p, i, t);
  if (a < 0) return [name, make("p", {}, "The journey was seen to be over.")];
  const did = about.actions[a], channel = did.channel ? ` on ${readable(did.channel)}` : "";
  const facts = [
    ["did", a ? `${readable(did.name)} (${did.kind}${channel})` : "wait"],
    ["expected now", `${money(at(`${p}.expected`, i, t, a))} (exact; only this ${about.period})`],
    ["happened", alive(p, i, t) ? happened(p, i, t) : `${happened(p, i, t)}; the customer had left`],
    ["earned", money(profit(p, i, t))],
  ];
  if (has(`${p}.worth`)) facts.splice(2, 0, ["policy expects", `${money(at(`${p}.worth`, i, t))} from now on`]);
  const block = (title, content, open) =>
    make("details", open ? { open: "" } : {}, make("summary", {}, title), content);
  return [name, table([], facts, { class: "facts" }),
    block("what was hidden", hiddenTable(p, i, t), true),
    block("what it could do, and why not the rest", possible(p, i, t, a), true),
    block("what the agent saw", seenTable(p, i, t), false)];
}

function hiddenTable(p, i, t) {
  const now = about.hidden.map((name) => [readable(name), number(at(`${p}.hidden.${name}`, i, t), 2)]);
  const born = about.traits.map((name) => [`${readable(name)} (for life)`, number(at(`trait.${name}`, i), 2)]);
  return now.length ? table([], [...now, ...born], { class: "facts" })
    : make("p", {}, "Nothing: this world has no hidden half.");
}

function seenTable(p, i, t) {
  const rows = about.features.map((feature, k) => [feature, at(`${p}.seen`, i, t, k)]);
  return table(["feature (0 is left out)", "value", "unit"], rows.filter(([, x]) => x !== 0)
    .map(([feature, x]) => [make("span", { title: feature.meaning }, readable(feature.name)), number(x), feature.unit]));
}

function possible(p, i, t, did) {
  const own = about.policies[p].own, share = own === "probability";
  const rows = about.actions.map((each, a) => ({ a, name: each.name, why: reasons(p, i, t, a),
    expected: at(`${p}.expected`, i, t, a), own: own ? at(`${p}.own`, i, t, a) : 0 }));
  const rank = (row) => (row.a === did ? 0 : row.why.length ? 2 : 1);
  rows.sort((x, y) => rank(x) - rank(y) || y.own - x.own || y.expected - x.expected);
  const ownHead = share ? "chance given (%)" : `policy's own (${about.currency})`;
  const head = ["action", ...(own ? [ownHead] : []), `expected now (${about.currency})`, "allowed?"];
  const made = table(head, rows.map((row) => [readable(row.name),
    ...(own ? [row.why.length ? "\u2013" : share ? number(100 * row.own, 1) : number(row.own)] : []),
    number(row.expected), row.a === did ? "chosen" : row.why.join("; ") || "yes"]), { class: "possible" });
  [...made.tBodies[0].rows].forEach((line_, k) => {
    line_.className = ["chosen", "allowed", "blocked"][rank(rows[k])];
    line_.dataset.action = rows[k].name;
  });
  return make("div", { class: "scroll", tabindex: "0" }, made);
}

function move(places) {
  const k = chosen.found.indexOf(chosen.customer) + places;
  if (k >= 0 && k < chosen.found.length) show(chosen.found[k], chosen.period);
}

function nextParting() {
  const [a, b] = pairShown(), after = parting(a, b, chosen.customer, chosen.period + 1);
  const t = after < 0 ? parting(a, b, chosen.customer) : after;
  if (t >= 0) show(chosen.customer, t);
}

const KEYS = {
  ArrowUp: () => move(-1), ArrowDown: () => move(1),
  ArrowLeft: () => show(chosen.customer, chosen.period - 1),
  ArrowRight: () => show(chosen.customer, chosen.period + 1),
  Home: () => show(chosen.customer, 0), End: () => show(chosen.customer, about.horizon - 1),
  d: nextParting,
};

function listen() {
  document.addEventListener("keydown", (pressed) => {
    const busy = /^(SELECT|INPUT)$/.test(pressed.target.tagName);
    if (busy || pressed.ctrlKey || pressed.metaKey || pressed.altKey || !KEYS[pressed.key]) return;
    if (!chosen.found.length) return;
    pressed.preventDefault();
    KEYS[pressed.key]();
  });
  $("earlier").addEventListener("click", KEYS.ArrowLeft);
  $("later").addEventListener("click", KEYS.ArrowRight);
  $("parting").addEventListener("click", nextParting);
  $("when").max = about.horizon - 1;
  $("when").addEventListener("input", () => show(chosen.customer, Number($("when").value)));
  addEventListener("resize", () => chosen.found.length && drawChart(pairShown(), chosen.customer, chosen.period));
}

unpack().then(() => {
  const policies = about.policies.map((policy, p) => [p, policy.name]);
  options("first", policies, 0);
  options("second", policies, 1);
  options("persona", [["all", "everybody"], ...about.personas.map((name, p) => [p, readable(name)])], "all");
  for (const [id, entries] of [["outcome", OUTCOMES], ["treated", TREATED], ["order", ORDERS]])
    options(id, Object.entries(entries).map(([key, [text]]) => [key, text]), Object.keys(entries)[0]);
  $("scope").textContent = `World ${about.scenario}, seed ${about.seed}. The same customers with the ` +
    `same luck under every policy. Money is discounted by ${about.discount} a ${about.period} where it is ` +
    `summed up. What is hidden is known to the simulator only. Numbers are rounded to what is shown.`;
  listen();
  filter();
  document.body.dataset.ready = "yes";
});
