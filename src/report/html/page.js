"use strict";
// Filters, sorts and opens findings. Everything that comes from the report is set as text, never as markup.
(() => {
  const table = document.getElementById("table");
  const source = document.getElementById("data");
  if (!table || !source) return;
  const data = JSON.parse(source.textContent);
  const body = table.tBodies[0];
  const rows = Array.from(body.rows);
  const place = new Map(rows.map((row, i) => [row, i]));
  const byId = (id) => document.getElementById(id);
  const form = document.querySelector(".filter");
  const controls = { cause: byId("by-cause"), harm: byId("by-harm"), text: byId("by-text"), sort: byId("sort") };
  const [CAUSE, HARM, RANK, SILENCE, TIME] = [0, 1, 2, 3, 4];
  const REFUSED = 3; // rank of "refused"; what is below it is harmful
  const LINE = 36;
  const SVG = "http://www.w3.org/2000/svg";

  function element(name, text, className) {
    const made = document.createElement(name);
    if (text) made.textContent = text;
    if (className) made.className = className;
    return made;
  }

  function shape(name, attributes, text) {
    const made = document.createElementNS(SVG, name);
    for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
    if (text) made.textContent = text;
    return made;
  }

  // ---- diagrams: the same lines that the page's examples are drawn from ----

  const text = (place) => data.texts[place];

  const ROLES = {
    "last-activity": "; the last activity before the silence",
    fin: "; the FIN",
    trigger: "; what the RST answers",
    rst: "; the RST",
  };

  function drawBetween([kind, label], y) {
    const group = shape("svg", { class: kind, y, height: LINE, role: "listitem", "aria-label": text(label) });
    if (kind === "gap") {
      const wave = shape("svg", { x: "10%" });
      wave.append(shape("path", { d: "M0 14 6 10 12 14 18 10 24 14M0 22 6 18 12 22 18 18 24 22" }));
      group.append(shape("rect", { x: "20%", width: "80%", y: 3, height: 30 }), wave);
    } else {
      for (const x of ["22%", "98%"]) group.append(shape("line", { x1: x, x2: x, y2: LINE }));
    }
    group.append(shape("text", { x: "60%", y: 22 }, text(label)));
    return group;
  }

  function drawPacket([toTheRight, label, mark, frame, at, flags, seq, ack, length, note], y) {
    const title =
      `Frame ${frame} at ${at.toFixed(6)} s, from the ${toTheRight ? "client" : "server"}: [${text(flags)}] seq ${seq}` +
      (ack === null ? "" : `, ack ${ack}`) +
      `, ${length} bytes of payload` +
      (note === null ? "" : `; ${text(note)}`) +
      (ROLES[mark] || "");
    const group = shape("svg", { class: `packet ${mark}`, y, height: LINE, role: "listitem", tabindex: 0, "aria-label": title });
    const [from, to] = toTheRight ? ["22%", "98%"] : ["98%", "22%"];
    group.append(shape("title", {}, title), shape("rect", { width: "100%", height: LINE }));
    for (const x of ["22%", "98%"]) group.append(shape("line", { class: "life", x1: x, x2: x, y2: LINE }));
    group.append(
      shape("text", { class: "time", x: "19%", y: 27 }, `${at.toFixed(3)} s`),
      shape("text", { x: "60%", y: 16 }, text(label)),
      shape("line", { class: "arrow", x1: from, x2: to, y1: 23, y2: 23 }),
    );
    return group;
  }

  function drawDiagram([client, server, lines], id) {
    const figure = element("figure", "", "diagram");
    const ends = element("div", "", "ends");
    ends.setAttribute("aria-hidden", "true");
    for (const [side, address] of [["client", client], ["server", server]]) {
      const end = element("span", side);
      end.append(element("b", text(address)));
      ends.append(end);
    }
    const height = lines.length * LINE + 4;
    const picture = shape("svg", { width: "100%", height, role: "list", "aria-label": `Packets of ${id}: client left, server right` });
    lines.forEach((line, i) => picture.append(line.length === 2 ? drawBetween(line, i * LINE) : drawPacket(line, i * LINE)));
    figure.append(ends, picture, element("figcaption", "Point at a packet, or reach it with the Tab key, for its details.", "packet-detail"));
    return figure;
  }

  function showPacket(event) {
    const packet = event.target.closest?.(".packet");
    const caption = packet?.closest("figure")?.querySelector(".packet-detail");
    if (caption) caption.textContent = packet.querySelector("title").textContent;
  }
  for (const kind of ["pointerover", "focusin", "click"]) document.addEventListener(kind, showPacket);

  // ---- details of a finding ----

  function list(title, items) {
    const box = document.createDocumentFragment();
    if (items.length === 0) return box;
    const points = element("ul");
    for (const item of items) points.append(element("li", text(item)));
    box.append(element("h4", title), points);
    return box;
  }

  function command(words) {
    const line = element("div", "", "command");
    const shown = element("pre");
    shown.tabIndex = 0;
    shown.append(element("code", words));
    const copy = element("button", "Copy");
    copy.type = "button";
    copy.addEventListener("click", () => {
      navigator.clipboard?.writeText(words).then(() => { copy.textContent = "Copied"; }, () => {});
    });
    line.append(shown, copy);
    return line;
  }

  function panel(detail, id) {
    const box = element("div", "", "panel");
    const left = element("div", "", "story");
    box.append(left);
    if (!detail) {
      left.append(element("p", "The details of this finding were left out to keep the page small; the JSON form has them."));
      return box;
    }
    left.append(element("p", text(detail.explanation)), list("What shows it", detail.for), list("What speaks against it", detail.against));
    const facts = element("dl", "", "facts");
    for (const [name, value] of detail.facts) facts.append(element("dt", text(name)), element("dd", text(value)));
    if (detail.advice.length > 0) {
      const links = element("dd");
      for (const advice of detail.advice.map(text)) {
        const link = element("a", advice);
        link.href = `#${advice}`;
        links.append(link, " ");
      }
      facts.append(element("dt", "What to change"), links);
    }
    if (detail.command !== null) left.append(command(text(detail.command)));
    if (detail.diagram) box.append(drawDiagram(detail.diagram, id));
    box.append(facts);
    return box;
  }

  const link = (row) => row.cells[0].querySelector("a");

  function close(row) {
    row.classList.remove("opened");
    link(row).setAttribute("aria-expanded", "false");
    if (row.nextElementSibling?.classList.contains("open")) row.nextElementSibling.remove();
  }

  function open(row) {
    if (row.classList.contains("opened")) return;
    row.classList.add("opened");
    link(row).setAttribute("aria-expanded", "true");
    const below = element("tr", "", "open");
    const cell = element("td");
    cell.colSpan = row.cells.length;
    cell.append(panel(data.details[place.get(row)], row.id));
    below.append(cell);
    row.after(below);
  }

  body.addEventListener("click", (event) => {
    const row = event.target.closest("tr");
    if (!row || !place.has(row) || getSelection()?.toString()) return;
    event.preventDefault();
    if (row.classList.contains("opened")) {
      close(row);
    } else {
      open(row);
      history.replaceState(null, "", `#${row.id}`);
    }
  });

  // ---- filter and sort ----

  const orders = {
    time: (a, b) => data.rows[a][TIME] - data.rows[b][TIME],
    cause: (a, b) => (data.rows[a][CAUSE] < data.rows[b][CAUSE] ? -1 : data.rows[a][CAUSE] > data.rows[b][CAUSE] ? 1 : 0),
    harm: (a, b) => data.rows[a][RANK] - data.rows[b][RANK],
    silence: (a, b) => (data.rows[b][SILENCE] ?? -1) - (data.rows[a][SILENCE] ?? -1),
    endpoint: (a, b) => {
      const server = (i) => rows[i].cells[2].textContent.split(" → ")[1] || "";
      return server(a).localeCompare(server(b), "en", { numeric: true });
    },
  };

  // Rows on screen: a browser lays out a few hundred at once, thousands not.
  const SCREENFUL = 300;
  const more = byId("more");
  let limit = SCREENFUL;
  let order = rows.map((_, i) => i);

  function apply() {
    const [cause, harm, words] = [controls.cause.value, controls.harm.value, controls.text.value.trim().toLowerCase()];
    let found = 0;
    for (const i of order) {
      const row = rows[i];
      const facts = data.rows[i];
      const wanted =
        (!cause || facts[CAUSE] === cause) &&
        (!harm || (harm === "harmful" ? facts[RANK] < REFUSED : facts[HARM] === harm)) &&
        (!words || `${row.cells[2].textContent} ${row.cells[6].textContent}`.toLowerCase().includes(words));
      if (wanted) found += 1;
      const hidden = !wanted || found > limit;
      if (hidden && row.classList.contains("opened")) close(row);
      if (row.hidden !== hidden) row.hidden = hidden;
    }
    more.hidden = found <= limit;
    more.textContent = `Show ${Math.min(found - limit, 1000).toLocaleString("en")} more`;
    byId("shown").textContent = `${found.toLocaleString("en")} of ${rows.length.toLocaleString("en")} found`;
  }

  function search() {
    limit = SCREENFUL;
    apply();
  }

  function sort() {
    const by = orders[controls.sort.value] || orders.time;
    order = rows.map((_, i) => i).sort((a, b) => by(a, b) || a - b);
    const all = document.createDocumentFragment();
    for (const i of order) {
      const below = rows[i].nextElementSibling;
      all.append(rows[i]);
      if (below?.classList.contains("open")) all.append(below);
    }
    body.append(all);
    apply();
  }

  form.hidden = false;
  form.addEventListener("submit", (event) => event.preventDefault());
  for (const control of [controls.cause, controls.harm]) control.addEventListener("change", search);
  controls.text.addEventListener("input", search);
  controls.sort.addEventListener("change", sort);
  for (const row of rows.length <= 500 ? rows : []) link(row).setAttribute("aria-expanded", "false");
  if (rows.length > 200) document.querySelector(".paper")?.classList.add("many");
  more.addEventListener("click", () => { limit += 1000; apply(); });
  apply();
  table.classList.add("live");

  // ---- anchors ----

  function visit() {
    const row = document.getElementById(decodeURIComponent(location.hash.slice(1)));
    if (!row || !place.has(row)) return;
    if (row.hidden) {
      controls.cause.value = controls.harm.value = controls.text.value = "";
      limit = Math.max(SCREENFUL, order.indexOf(place.get(row)) + 1);
      apply();
    }
    open(row);
    row.scrollIntoView({ block: "start" });
    link(row).focus({ preventScroll: true });
  }
  addEventListener("hashchange", visit);
  visit();
})();
