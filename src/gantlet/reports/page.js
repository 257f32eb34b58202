"use strict";
// Conveniences; without JavaScript the page is complete. enhance() is called again for sections that the board replaces.

const button = (text, label) => {
  const made = document.createElement("button");
  made.type = "button";
  made.append(text);
  if (label) made.setAttribute("aria-label", label);
  return made;
};

function copyable(block) {
  const copy = button("Copy");
  copy.addEventListener("click", async () => {
    const text = block.querySelector("pre");
    try {
      await navigator.clipboard.writeText(text.textContent);
      copy.textContent = "Copied";
    } catch {
      getSelection().selectAllChildren(text);
      copy.textContent = "Selected";
    }
    setTimeout(() => { copy.textContent = "Copy"; }, 1500);
  });
  block.append(copy);
}

function sortBy(table, column, down) {
  const key = (row) => row.cells[column].dataset.order ?? row.cells[column].textContent;
  const compare = (left, right) => {
    const numbers = [Number(left), Number(right)];
    if (left === "" || right === "") return (left === "") - (right === ""); // what is missing stays last
    return (down ? -1 : 1) * (numbers.some(Number.isNaN) ? left.localeCompare(right) : numbers[0] - numbers[1]);
  };
  const heads = [...table.tHead.rows[0].cells];
  heads.forEach((other) => other.removeAttribute("aria-sort"));
  heads[column].setAttribute("aria-sort", down ? "descending" : "ascending");
  const rows = [...table.tBodies[0].rows];
  rows.sort((a, b) => compare(key(a), key(b)));
  table.tBodies[0].append(...rows);
}

function sortable(table) {
  [...table.tHead.rows[0].cells].forEach((head, column) => {
    const click = button("");
    click.append(...head.childNodes);
    head.append(click);
    click.addEventListener("click", () => sortBy(table, column, head.getAttribute("aria-sort") === "ascending"));
  });
}

// A cell as text: its small print, which may have lines, behind it. A title's parts are one word, which may break on the page.
const parts = (cell) => (cell.closest("thead") ? [cell] : [...cell.childNodes]);
const cellText = (cell) => parts(cell).map((node) => node.textContent.trim()).filter(Boolean).join(" ").replace(/\s+/g, " ");
const quoted = (text) => (/[",\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text);
const csvOf = (table) => [...table.rows].map((row) => [...row.cells].map((cell) => quoted(cellText(cell))).join(",")).join("\r\n");

function saveable(scroll) {
  const table = scroll.querySelector("table");
  const save = button("CSV", "Save this table as CSV");
  save.className = "csv";
  save.addEventListener("click", () => {
    const link = document.createElement("a");
    const section = scroll.closest("section");
    link.href = `data:text/csv;charset=utf-8,${encodeURIComponent(`\ufeff${csvOf(table)}\r\n`)}`;
    link.download = `${(section && section.id) || "table"}.csv`;
    link.click();
  });
  scroll.before(save);
}

// The values under the pointer, or under a cursor that the arrow keys move.
function readable(chart) {
  const course = JSON.parse(chart.dataset.course);
  const tip = document.createElement("div");
  const line = document.createElement("div");
  tip.className = "tip";
  line.className = "cursor";
  tip.setAttribute("role", "status");
  chart.tabIndex = 0;
  chart.append(line, tip);
  const shown = () => [...chart.querySelectorAll(".view")].find((view) => view.offsetParent !== null);
  const hide = () => chart.classList.remove("reading");
  const place = (share) => {
    const view = shown();
    if (!view) return;
    const axis = [...view.classList].find((name) => name.startsWith("view-")).slice(5);
    const box = view.getBoundingClientRect(), outer = chart.getBoundingClientRect();
    const inside = Math.min(1, Math.max(0, (share - course.left) / (course.right - course.left)));
    const at = inside * course.most[axis];
    const rows = course.lines.filter((one) => course.costs[axis][one.rank] !== undefined).map((one) => {
      const cost = course.costs[axis][one.rank];
      let best = 0;
      one.x.forEach((x, index) => { if (Math.abs(x * cost - at) < Math.abs(one.x[best] * cost - at)) best = index; });
      return { one, best, x: one.x[best] * cost };
    });
    if (!rows.length) return;
    tip.replaceChildren();
    const head = document.createElement("b");
    head.append(`${Math.round(rows[0].x).toLocaleString("en")} ${course.names[axis]}`);
    tip.append(head);
    for (const { one, best } of rows) {
      const row = document.createElement("span");
      const dot = document.createElement("i");
      dot.style.background = one.colour;
      const band = one.low[best] === one.high[best] || one.low[best] === null ? "" : ` [${one.low[best]}, ${one.high[best]}]`;
      row.append(dot, `${one.label}: ${one.y[best] ?? "–"}${band}`);
      tip.append(row);
    }
    const x = box.left - outer.left + box.width * (course.left + inside * (course.right - course.left));
    line.style.left = `${x}px`;
    line.style.top = `${box.top - outer.top}px`;
    line.style.height = `${box.height * 0.835}px`;
    tip.style.top = `${box.top - outer.top + 4}px`;
    tip.style.left = inside < 0.5 ? `${x + 8}px` : "";
    tip.style.right = inside < 0.5 ? "" : `${outer.width - x + 8}px`;
    chart.classList.add("reading");
    chart.dataset.at = share;
  };
  chart.addEventListener("pointermove", (event) => {
    const view = shown();
    if (!view || !view.contains(event.target)) return;
    const box = view.getBoundingClientRect();
    place((event.clientX - box.left) / box.width);
  });
  chart.addEventListener("pointerleave", hide);
  chart.addEventListener("blur", hide);
  chart.addEventListener("keydown", (event) => {
    const way = { ArrowLeft: -0.02, ArrowRight: 0.02 }[event.key];
    if (!way) return;
    event.preventDefault();
    place(Math.min(course.right, Math.max(course.left, Number(chart.dataset.at ?? course.left) + way)));
  });
}

// One slider moves the images of all members of a setting to the same step.
function steppable(block) {
  const strips = [...block.querySelectorAll(".strip")].map((strip) => [...strip.querySelectorAll("figure")]);
  const most = Math.max(0, ...strips.map((frames) => frames.length));
  if (most < 2) return;
  const control = document.createElement("label");
  const slider = document.createElement("input");
  const said = document.createElement("output");
  Object.assign(slider, { type: "range", min: 0, max: most - 1, value: most - 1 });
  slider.setAttribute("aria-label", "step");
  control.className = "slider";
  control.append("step ", slider, said);
  const stage = document.createElement("div");
  stage.className = "gallery stage";
  const seen = strips.filter((frames) => frames.length).map((frames) => {
    const figure = frames.at(-1).cloneNode(true);
    const name = frames[0].closest(".strip").dataset.of;
    stage.append(figure);
    return { frames, name, image: figure.querySelector("img"), caption: figure.querySelector("figcaption") };
  });
  const show = () => {
    for (const { frames, name, image, caption } of seen) {
      const frame = frames[Math.min(Number(slider.value), frames.length - 1)];
      image.src = frame.querySelector("img").src;
      image.alt = `${name}, ${frame.querySelector("img").alt}`;
      caption.textContent = name;
      said.textContent = frame.querySelector("figcaption").textContent.replace("step ", "");
    }
  };
  slider.addEventListener("input", show);
  show();
  block.prepend(control, stage);
}

// Any image at full size; the arrow keys go through its group, Escape closes.
const lightbox = document.createElement("dialog");
lightbox.className = "lightbox";
const large = document.createElement("img");
const words = document.createElement("p");
const closing = button("×", "Close");
lightbox.append(closing, large, words);
document.body.append(lightbox);
let group = [], index = 0;
function enlarge(to) {
  index = (to + group.length) % group.length;
  const image = group[index];
  large.src = image.src;
  large.alt = image.alt;
  large.classList.toggle("small", image.naturalWidth < 200);
  words.textContent = image.alt;
  if (!lightbox.open) lightbox.showModal();
}
closing.addEventListener("click", () => lightbox.close());
lightbox.addEventListener("click", (event) => { if (event.target === lightbox) lightbox.close(); });
lightbox.addEventListener("close", () => { const image = group[index]; if (image && image.isConnected) image.focus({ preventScroll: true }); });
lightbox.addEventListener("keydown", (event) => {
  const way = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
  if (way) { event.preventDefault(); enlarge(index + way); }
});
function enlargeable(holder) {
  for (const image of holder.querySelectorAll("img")) {
    image.tabIndex = 0;
    image.setAttribute("role", "button");
  }
  const open = (image) => {
    group = [...holder.querySelectorAll("img")];
    enlarge(group.indexOf(image));
  };
  holder.addEventListener("click", (event) => { if (event.target.tagName === "IMG") open(event.target); });
  holder.addEventListener("keydown", (event) => {
    if (event.target.tagName === "IMG" && (event.key === "Enter" || event.key === " ")) { event.preventDefault(); open(event.target); }
  });
}

function enhance(root) {
  root.querySelectorAll(".command").forEach(copyable);
  root.querySelectorAll("table.sortable").forEach(sortable);
  root.querySelectorAll(".scroll").forEach(saveable);
  root.querySelectorAll(".chart[data-course]").forEach(readable);
  root.querySelectorAll(".steps").forEach(steppable);
  root.querySelectorAll(".gallery, .strip").forEach(enlargeable);
}
enhance(document);
