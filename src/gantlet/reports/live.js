"use strict";
// The board: asks now and then whether the study has changed, and puts new sections in the place of old ones, so that the
// reader stays where they are: scrolled, opened, sorted, selected, with every slider where it was.

const PERIOD = 2000;
let stamp = document.documentElement.dataset.stamp;
const state = document.querySelector(".live");

function kept(section) {
  const all = (name) => [...section.querySelectorAll(name)];
  return {
    open: all("details").map((one) => one.open),
    scrolled: all(".scroll, .strip").map((one) => [one.scrollLeft, one.scrollTop]),
    sliders: all(".slider input").map((one) => [one.value, one.value === one.max]),
    sorted: all("table.sortable").map((table) => [...table.tHead.rows[0].cells].map((head) => head.getAttribute("aria-sort"))),
  };
}

function restored(section, was) {
  const all = (name) => [...section.querySelectorAll(name)];
  all("details").forEach((one, place) => { if (was.open[place] !== undefined) one.open = was.open[place]; });
  all("table.sortable").forEach((table, place) => {
    const column = (was.sorted[place] ?? []).findIndex(Boolean);
    if (column >= 0) sortBy(table, column, was.sorted[place][column] === "descending");
  });
  all(".slider input").forEach((one, place) => {
    const [value, last] = was.sliders[place] ?? [0, true];
    one.value = last ? one.max : value; // whoever looks at the newest images goes on doing so
    one.dispatchEvent(new Event("input"));
  });
  all(".scroll, .strip").forEach((one, place) => { [one.scrollLeft, one.scrollTop] = was.scrolled[place] ?? [0, 0]; });
}

const selected = (section) => {
  const selection = getSelection();
  return !selection.isCollapsed && selection.rangeCount > 0 && selection.getRangeAt(0).intersectsNode(section);
};
const busy = (section) => section.contains(document.activeElement) && document.activeElement !== document.body;
const originals = new Map();

// The section at the top of the window, by its name, since its element may be replaced; and where it is.
function anchor() {
  const all = [...document.querySelectorAll("section[id]")].map((one) => ({ id: one.id, box: one.getBoundingClientRect() }));
  const found = all.find(({ box }) => box.bottom > 40);
  return found && { id: found.id, top: found.box.top };
}

function back(fixed) {
  const one = fixed && document.getElementById(fixed.id);
  if (one && scrollY > 0) scrollBy({ top: one.getBoundingClientRect().top - fixed.top, behavior: "instant" });
}

function take(page) {
  const fixed = anchor();
  let waiting = false;
  const fresh = [...page.querySelectorAll("main section, main header")];
  const here = [...document.querySelectorAll("main section, main header")];
  if (fresh.length !== here.length || fresh.some((one, place) => one.id !== here[place].id)) {
    const was = new Map(here.map((one) => [one.id, kept(one)]));
    const main = document.importNode(page.querySelector("main"), true);
    const picks = [...document.querySelectorAll(".pick:checked")].map((one) => one.id);
    document.querySelector("main").replaceWith(main);
    enhance(main);
    picks.forEach((id) => { const one = document.getElementById(id); if (one) one.checked = true; });
    main.querySelectorAll("section").forEach((one) => { if (was.has(one.id)) restored(one, was.get(one.id)); });
    back(fixed);
    return false;
  }
  fresh.forEach((one, place) => {
    const old = here[place], text = one.outerHTML;
    if (originals.get(place) === text) return;
    if (selected(old) || busy(old) || document.querySelector("dialog[open]")) { waiting = true; return; }
    originals.set(place, text);
    const was = kept(old), copy = document.importNode(one, true);
    old.replaceWith(copy);
    enhance(copy);
    restored(copy, was);
  });
  back(fixed);
  return waiting;
}

async function look() {
  try {
    const answer = await fetch("stamp", { cache: "no-store" });
    const told = await answer.json();
    state.textContent = told.state;
    if (told.stamp !== stamp) {
      const text = await (await fetch("", { cache: "no-store" })).text();
      const page = new DOMParser().parseFromString(text, "text/html");
      if (!take(page)) stamp = told.stamp; // what the reader has in hand is replaced later
    }
    document.body.classList.remove("lost");
  } catch {
    state.textContent = "the board does not answer any more";
    document.body.classList.add("lost");
  }
  setTimeout(look, PERIOD);
}
setTimeout(look, PERIOD);
