"use strict";
// Numbers and events for people, and the few elements that they stand in.

const readable = (name) => name.replaceAll("_", " ").replaceAll(".", ": ");

function number(x, digits = 2, signed = false) {
  const text = Math.abs(x).toLocaleString("en", {
    minimumFractionDigits: digits, maximumFractionDigits: digits,
  });
  if (!/[1-9]/.test(text)) return text;
  return (x < 0 ? "\u2212" : signed ? "+" : "") + text;
}

const money = (x, signed = false) => `${number(x, 2, signed)} ${about.currency}`;

// an element with texts and elements inside; texts are never read as HTML
function make(tag, attributes = {}, ...inside) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  element.append(...inside);
  return element;
}

function table(head, rows, attributes = {}) {
  const line = (cells, tag) => make("tr", {}, ...cells.map((cell, k) =>
    make(k ? tag : "th", k ? {} : { scope: "row" }, cell)));
  return make("table", attributes, ...(head.length ? [make("thead", {}, line(head, "th"))] : []),
    make("tbody", {}, ...rows.map((cells) => line(cells, "td"))));
}

function happened(p, i, t) {
  const is = (name) => event(p, i, t, name);
  const words = [];
  if (is("purchases") > 0) {
    const count = is("purchases") > 1 ? `${number(is("purchases"), 0)} \u00d7 ` : "";
    const need = is("need_bought") >= 0 ? ` ${readable(about.needs[is("need_bought")] ?? "")}` : "";
    const spent = is("list_spend") ? ` (${money(is("list_spend"))} at list price)` : "";
    words.push(`bought ${count}${need.trim()}${is("redeemed") ? " at the deal" : ""}${spent}`);
  }
  const plain = { responded: "responded", answered: "answered", accepted: "accepted to stay",
    complained: "complained", solved: "complaint solved", opted_out: "opted out of the channel",
    referred: "brought a friend", volunteered: "gave time", cancelled: "cancelled" };
  for (const [name, text] of Object.entries(plain)) if (is(name)) words.push(text);
  if (is("basket")) words.push(`left a basket (${readable(about.needs[is("basket") - 1])})`);
  if (is("visit")) words.push(`comes to ${readable(about.channels[is("visit") - 1])} next`);
  return words.join(", ") || "nothing that the firm could see";
}

function alive(p, i, t) {
  return !has(`${p}.hidden.alive`) || at(`${p}.hidden.alive`, i, t) > 0.5;
}

function lived(p, i) {
  const time = number(at(`${p}.lifetime`, i), 0);
  return left(p, i) ? `left after ${time} ${about.period}s` : `stayed all ${time} ${about.period}s`;
}
