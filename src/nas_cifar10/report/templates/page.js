"use strict";
(() => {
  const root = document.documentElement;
  root.classList.add("js");
  const charts = JSON.parse(document.getElementById("charts").textContent);
  const plots = [...document.querySelectorAll(".plot")];

  // Colours stand in the charts as "@name"; light and dark differ, so they are read from the page.
  const themed = (value, key = "") => {
    if (Array.isArray(value)) return value.map((each) => themed(each, key));
    if (value && typeof value === "object")
      return Object.fromEntries(Object.entries(value).map(([k, each]) => [k, themed(each, k)]));
    if (typeof value === "string" && key.endsWith("color") && value.startsWith("@"))
      return getComputedStyle(root).getPropertyValue("--" + value.slice(1)).trim();
    return value;
  };

  const axis = (given) => ({
    gridcolor: "@grid", linecolor: "@faint", zeroline: false, automargin: true, fixedrange: coarse,
    ...given, title: { standoff: 8, ...given.title },
  });
  const coarse = matchMedia("(pointer: coarse)").matches; // a finger scrolls the page, not the axes

  const draw = (place) => {
    const { data, layout } = charts[place.dataset.chart];
    const narrow = place.clientWidth < 520;
    const small = place.clientHeight < 240;
    const full = {
      paper_bgcolor: "rgba(0,0,0,0)", plot_bgcolor: "rgba(0,0,0,0)",
      font: { color: "@ink", family: getComputedStyle(document.body).fontFamily, size: small ? 11 : 13 },
      margin: { l: narrow ? 44 : 56, r: 14, t: 10, b: 40 },
      legend: { orientation: "h", x: 0, y: 1.02, yanchor: "bottom" },
      hoverlabel: { bgcolor: "@card", bordercolor: "@muted", font: { color: "@ink" }, align: "left" },
      hovermode: "closest", dragmode: coarse ? false : "zoom",
      ...layout, xaxis: axis(layout.xaxis), yaxis: axis(layout.yaxis),
    };
    return Plotly.react(place, themed(data), themed(full), { displayModeBar: false, responsive: true });
  };

  // One chart a turn, so that the page scrolls and answers while they are drawn.
  const drawAll = async () => {
    for (const place of plots) {
      await new Promise((next) => setTimeout(next));
      await draw(place);
    }
    // A chart is read out as one picture with its caption, not as its hundreds of dots.
    for (const svg of document.querySelectorAll(".plot svg, #js-plotly-tester")) svg.setAttribute("aria-hidden", "true");
    root.dataset.drawn = String(plots.length);
  };
  drawAll();
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", drawAll);

  const sorted = (button) => {
    const head = button.closest("th");
    const table = head.closest("table");
    const column = [...head.parentNode.children].indexOf(head);
    const key = (row) => row.children[column].dataset.value;
    const words = Number.isNaN(Number(key(table.tBodies[0].rows[0])));
    const now = head.getAttribute("aria-sort"); // numbers begin with the largest, words with A
    const up = now ? now === "descending" : words;
    for (const other of head.parentNode.children) other.removeAttribute("aria-sort");
    head.setAttribute("aria-sort", up ? "ascending" : "descending");
    const order = (a, b) => {
      const [x, y] = [Number(key(a)), Number(key(b))];
      return Number.isNaN(x) || Number.isNaN(y) ? key(a).localeCompare(key(b)) : x - y;
    };
    const rows = [...table.tBodies[0].rows].sort((a, b) => (up ? order(a, b) : order(b, a)));
    table.tBodies[0].append(...rows);
  };
  for (const button of document.querySelectorAll(".sortable th button"))
    button.addEventListener("click", () => sorted(button));

  const find = document.getElementById("find");
  if (find) {
    const state = document.getElementById("state");
    const rows = [...document.querySelectorAll("#board tbody tr")];
    const filter = () => {
      const words = find.value.toLowerCase().split(/\s+/);
      let shown = 0;
      for (const row of rows) {
        const text = row.textContent.toLowerCase();
        row.hidden = (state.value && row.dataset.state !== state.value) || !words.every((word) => text.includes(word));
        shown += !row.hidden;
      }
      document.getElementById("count").textContent = `${shown} of ${rows.length}`;
    };
    find.addEventListener("input", filter);
    state.addEventListener("change", filter);
    filter();
  }

  // Paper cannot be unfolded.
  let folded = [];
  addEventListener("beforeprint", () => {
    folded = [...document.querySelectorAll("details:not([open])")];
    for (const each of folded) each.open = true;
  });
  addEventListener("afterprint", () => folded.forEach((each) => (each.open = false)));

  const panel = document.getElementById("cell");
  const picture = ([column, row, text]) => {
    const [whole, tile, name] = ["span", "span", "span"].map((kind) => document.createElement(kind));
    whole.className = "picture";
    tile.className = "tile";
    tile.setAttribute("role", "img");
    tile.setAttribute("aria-label", text);
    tile.style.setProperty("--c", column);
    tile.style.setProperty("--r", row);
    name.className = "name";
    name.ariaHidden = "true";
    name.textContent = text.replace("> ", ">\u00a0");
    whole.append(tile, name);
    return whole;
  };
  for (const button of document.querySelectorAll("[data-cell]"))
    button.addEventListener("click", () => {
      for (const other of document.querySelectorAll("[data-cell][aria-pressed]")) other.removeAttribute("aria-pressed");
      button.setAttribute("aria-pressed", "true");
      const tiles = JSON.parse(button.dataset.tiles);
      const title = document.createElement("h4");
      title.textContent = button.getAttribute("aria-label") + (tiles.length ? `; ${tiles.length} of them` : "");
      const grid = document.createElement("div");
      grid.className = "tiles";
      grid.append(...tiles.map(picture));
      panel.replaceChildren(title, grid);
      panel.scrollIntoView({ block: "nearest" });
    });
})();
