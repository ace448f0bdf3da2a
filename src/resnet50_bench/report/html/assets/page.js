"use strict";
// Draws the charts, fills the tables, and shows one run at a time. Text from records is only ever
// set as text, never as markup.
(() => {
  const $ = (id) => document.getElementById(id);
  const STEP = 100;

  const make = (name, attributes, ...children) => {
    const node = document.createElement(name);
    for (const [key, value] of Object.entries(attributes || {})) node.setAttribute(key, value);
    node.append(...children);
    return node;
  };

  const unpack = async (text) => {
    const bytes = Uint8Array.from(atob(text), (character) => character.charCodeAt(0));
    const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"));
    return new Response(stream).text();
  };

  const show = (value, digits) => {
    if (value === null || value === undefined) return "";
    if (typeof value !== "number" || digits === null || digits === undefined) return String(value);
    return value.toLocaleString("en-US", { minimumFractionDigits: digits, maximumFractionDigits: digits });
  };

  const save = (name, type, content) => {
    const address = URL.createObjectURL(new Blob([content], { type }));
    make("a", { href: address, download: name }).click();
    setTimeout(() => URL.revokeObjectURL(address), 10000);
  };

  // As `make_cell` does: what a spreadsheet would take for a formula is marked as text.
  const cell = (value) => {
    if (value === null || value === undefined) return "";
    if (typeof value !== "string") return String(value);
    const text = /^[=+\-@]/.test(value) ? `'${value}` : value;
    return /[",\n\r]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
  };
  const csv = (names, rows) =>
    [names, ...rows].map((row) => row.map(cell).join(",") + "\n").join("");

  const follow = (link) => {
    if (link.startsWith("#")) location.hash = link;
    else location.href = link;
  };

  // Charts ---------------------------------------------------------------------------------------

  const draw = async (plot, data) => {
    const chart = data.charts[plot.dataset.chart];
    const spec = {
      width: "container", autosize: { type: "fit-x", contains: "padding" }, config: data.theme,
      data: { values: chart.rows.map((row) => ({ ...row })) }, ...chart.spec,
    };
    const options = { mode: "vega-lite", renderer: "svg", actions: false, ast: true };
    const { view } = await vegaEmbed(plot, spec, options);
    const linked = chart.rows.some((row) => row.link);
    plot.classList.toggle("linked", linked);
    if (linked) view.addEventListener("click", (_, item) => {
      if (item && item.datum && item.datum.link) follow(item.datum.link);
    });
    // The figure's text and table say it better than thousands of marks would.
    plot.querySelector("svg").setAttribute("aria-hidden", "true");
    plot.dataset.state = "drawn";
  };

  // One after the other, and only what can be seen: a hidden plot has no width.
  let drawing = Promise.resolve();
  const drawShown = (data) => {
    document.documentElement.dataset.drawn = "no";
    const waiting = [...document.querySelectorAll(".plot:not([data-state])")].filter((plot) => plot.clientWidth);
    for (const plot of waiting) {
      plot.dataset.state = "waiting";
      drawing = drawing.then(() => new Promise((done) => setTimeout(done)))
        .then(() => draw(plot, data))
        .catch((error) => {
          plot.dataset.state = "failed";
          plot.textContent = `This chart could not be drawn: ${error.message}`;
          console.error(error);
        });
    }
    drawing = drawing.then(() => { document.documentElement.dataset.drawn = "yes"; });
  };

  // A chart's data as a table, made when it is first looked at.
  const fillTable = (details, data) => {
    const chart = data.charts[details.dataset.table];
    const head = make("tr", {}, ...chart.columns.map((column) => make("th", { scope: "col" }, column.title)));
    const body = chart.rows.map((row) => make("tr", {}, ...chart.columns.map((column, place) => {
      const value = row[column.field];
      const text = show(value, column.digits);
      const content = place === 0 && row.link ? make("a", { href: row.link }, text || "run") : text;
      return make("td", typeof value === "number" ? { class: "number" } : {}, content);
    })));
    const table = make("table", {}, make("thead", {}, head), make("tbody", {}, ...body));
    const scroll = make("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": `Data of ${chart.title}` }, table);
    const button = make("button", { type: "button" }, "Download CSV");
    button.addEventListener("click", () => save(`${details.dataset.table}.csv`, "text/csv",
      csv(chart.columns.map((column) => column.title), chart.rows.map((row) => chart.columns.map((column) => row[column.field])))));
    details.append(scroll, button);
  };

  // One run in detail ----------------------------------------------------------------------------

  const showRun = (place, data) => {
    for (const run of document.querySelectorAll(".run")) run.classList.toggle("shown", run.id === place);
    $("choice").value = place;
    drawShown(data);
  };

  const followHash = (data, scrolls) => {
    const run = document.getElementById(decodeURIComponent(location.hash.slice(1)));
    if (!run || !run.classList.contains("run")) return false;
    showRun(run.id, data);
    if (scrolls) { run.scrollIntoView(); run.focus({ preventScroll: true }); }
    return true;
  };

  // All runs -------------------------------------------------------------------------------------

  const COLUMNS = [
    ["created", "created"], ["mode", "mode"], ["precision", "precision"], ["engine", "engine"],
    ["batch_size", "batch size"], ["instances", "instances"], ["cores_per_instance", "cores each"],
    ["images_per_s", "images/s", 2], ["low", "95 % from", 2], ["high", "to", 2],
    ["mean_ms", "mean ms", 3], ["p50_ms", "p50 ms", 3], ["p99_ms", "p99 ms", 3],
    ["limit_share", "of limit, %", 1, 100], ["top1", "top-1, %", 2, 100], ["verdict", "verdict"],
    ["host", "host", null, null, "long"], ["others", "with", null, null, "long"],
    ["problem", "what failed", null, null, "long"],
  ];

  const listRuns = (data) => {
    const { names, rows } = data.runs;
    const at = Object.fromEntries(names.map((name, place) => [name, place]));
    const columns = COLUMNS.filter(([name]) => rows.some((row) => row[at[name]] !== null && row[at[name]] !== ""));
    const split = (text) => text.toLowerCase().split(/[^\p{L}\p{N}]+/u).filter(Boolean);
    const words = rows.map((row) => split(row.filter((value) => typeof value === "string").join(" ")));
    const state = { sort: null, down: false, shown: STEP };
    const table = $("all");
    const body = make("tbody");
    const heads = columns.map(([name, title]) => {
      const button = make("button", { type: "button" }, title);
      button.addEventListener("click", () => {
        state.down = state.sort === name ? !state.down : rows.some((row) => typeof row[at[name]] === "number");
        state.sort = name;
        state.shown = STEP;
        fill();
      });
      return make("th", { scope: "col", "data-name": name }, button);
    });
    table.append(make("thead", {}, make("tr", {}, ...heads)), body);

    const compare = (one, other) => {
      const [a, b] = [one[at[state.sort]], other[at[state.sort]]];
      if (a === b) return 0;
      if (a === null) return 1;   // what is not known stands last, either way
      if (b === null) return -1;
      const order = typeof a === "number" ? a - b : String(a).localeCompare(String(b));
      return state.down ? -order : order;
    };

    // A word is looked for where a word begins: INVALID holds VALID.
    const choose = () => {
      const wanted = split($("find").value);
      const found = rows.filter((_, place) =>
        wanted.every((word) => words[place].some((own) => own.startsWith(word))));
      return state.sort ? found.sort(compare) : found;
    };

    const makeRow = (row) => make("tr", {}, ...columns.map(([name, , digits, factor, kind]) => {
      const value = row[at[name]];
      const text = name === "created" ? value.slice(0, 16).replace("T", " ") : show(factor && value !== null ? value * factor : value, digits);
      const attributes = { class: typeof value === "number" ? "number" : kind || "" };
      if (name === "verdict") {
        const badge = make("span", { class: `badge ${row[at.valid] ? "valid" : "invalid"}` }, text);
        return make("td", attributes, make("a", { href: row[at.link] }, badge));
      }
      const linked = text && (name === "created" || (typeof value === "number" && digits !== undefined));
      return make("td", attributes, linked ? make("a", { href: name === "created" ? row[at.record] : row[at.link] }, text) : text);
    }));

    const fill = () => {
      const found = choose();
      body.replaceChildren(...found.slice(0, state.shown).map(makeRow));
      $("found").textContent = `${found.length} of ${rows.length} runs`;
      $("more").hidden = found.length <= state.shown;
      for (const head of heads) {
        if (head.dataset.name === state.sort) head.setAttribute("aria-sort", state.down ? "descending" : "ascending");
        else head.removeAttribute("aria-sort");
      }
    };
    $("find").addEventListener("input", () => { state.shown = STEP; fill(); });
    $("find").form.addEventListener("submit", (event) => event.preventDefault());
    $("more").addEventListener("click", () => { state.shown += STEP; fill(); });
    $("runs-csv").addEventListener("click", () => save("runs.csv", "text/csv", csv(names, choose())));
    $("runs-json").addEventListener("click", () => save("runs.json", "application/json",
      JSON.stringify(choose().map((row) => Object.fromEntries(names.map((name, place) => [name, row[place]]))), null, 1)));
    fill();
  };

  // A page that is served tells how far it is, and is read anew when a run has ended --------------

  const watch = (live) => {
    const tell = (state) => {
      const planned = state.total === null ? "" : ` of ${state.total}`;
      $("live-text").textContent = `Runs that have ended: ${state.done}${planned}. ${state.running}`;
      if (state.total !== null) { $("live-bar").max = state.total; $("live-bar").value = state.done; }
      $("live-bar").hidden = state.total === null;
    };
    const ask = async () => {
      try {
        const answer = await fetch("state.json", { cache: "no-store" });
        const state = await answer.json();
        tell(state);
        const reading = document.activeElement && document.activeElement.id === "find";
        if (state.revision !== live.dataset.revision && !reading) { location.reload(); return; }
      } catch {
        $("live-text").textContent = "The server has ended; this is what it showed last.";
        return;
      }
      setTimeout(ask, 2000);
    };
    ask();
  };

  const begin = async () => {
    document.documentElement.classList.add("js");
    const data = JSON.parse(await unpack($("data").textContent));
    if ($("choice")) {
      if (!followHash(data, false)) showRun($("choice").value, data);
      addEventListener("hashchange", () => followHash(data, true));
      $("choice").addEventListener("change", (event) => showRun(event.target.value, data));
      listRuns(data);
    }
    for (const details of document.querySelectorAll("[data-table]")) {
      details.addEventListener("toggle", () => fillTable(details, data), { once: true });
    }
    for (const button of document.querySelectorAll("[data-record]")) {
      button.addEventListener("click", async () =>
        save("record.json", "application/json", await unpack(data.records[button.dataset.record])));
    }
    drawShown(data);
    if (location.hash) followHash(data, true);
    document.documentElement.dataset.ready = "yes";
    const live = document.querySelector("[data-live]");
    if (live) watch(live);
  };
  begin();
})();
