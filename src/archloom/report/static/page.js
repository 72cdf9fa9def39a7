"use strict";
(() => {
  const nav = document.querySelector("nav");
  for (const section of document.querySelectorAll("section[id]")) {
    const link = document.createElement("a");
    link.href = "#" + section.id;
    link.textContent = section.querySelector("h2").textContent;
    nav.append(link);
  }

  const order = (row, column) => {
    const cell = row.cells[column];
    const number = cell.dataset.order;
    return number === undefined ? cell.textContent : number === "nan" ? null : Number(number.replace("inf", "Infinity"));
  };
  const compare = (a, b) => (typeof a === "string" ? a.localeCompare(b) : a - b);
  for (const table of document.querySelectorAll("table.sortable")) {
    const heads = [...table.tHead.rows[0].cells];
    heads.forEach((head, column) => {
      head.querySelector("button").addEventListener("click", () => {
        const down = head.getAttribute("aria-sort") === "ascending";
        heads.forEach((other) => other.removeAttribute("aria-sort"));
        head.setAttribute("aria-sort", down ? "descending" : "ascending");
        const rows = [...table.tBodies[0].rows].map((row) => [order(row, column), row]);
        const known = rows.filter(([value]) => value !== null);
        known.sort(([a], [b]) => (down ? compare(b, a) : compare(a, b)));
        const unknown = rows.filter(([value]) => value === null);
        table.tBodies[0].append(...[...known, ...unknown].map(([, row]) => row));
      });
    });
  }

  const dark = window.matchMedia("(prefers-color-scheme: dark)");
  const ink = () => getComputedStyle(document.documentElement).getPropertyValue("--ink").trim();
  const plots = [];
  for (const figure of document.querySelectorAll("figure.chart")) {
    const plot = figure.querySelector(".plot");
    const { data, layout } = JSON.parse(figure.querySelector("script").textContent);
    layout.font.color = ink();
    plot.style.minHeight = layout.height + "px";
    Plotly.newPlot(plot, data, layout, { responsive: true, displaylogo: false, displayModeBar: false });
    plots.push(plot);
  }
  dark.addEventListener("change", () => plots.forEach((plot) => Plotly.relayout(plot, { "font.color": ink() })));
})();
