"use strict";
(() => {
  const data = JSON.parse(document.getElementById("data").textContent);
  const T = data.t;
  const low = new Array(T.length);
  const lower = (k) => low[k] ?? (low[k] = T[k].toLowerCase());
  const SEVERITY = ["critical", "high", "medium", "low", "info"];
  const RISK = ["", "none", "read", "data-read", "write", "data-write", "execution", "credential", "identity", "authorization", "unknown"];
  const el = (name, text, cls) => {
    const e = document.createElement(name);
    if (text !== undefined) e.textContent = text;
    if (cls) e.className = cls;
    return e;
  };
  const F = data.findings.c, I = data.identities.c, G = data.grants.c;
  const joinId = (h, n) => (T[h] ? T[h] + "/" + T[n] : T[n]);
  const sentence = (r) => F.m[r].map((k) => T[k]).join("`");
  const text = (col) => ({ get: (r) => T[col[r]], keys: (r) => [col[r]], key: (r) => lower(col[r]) });
  const number = (col) => ({ get: (r) => String(col[r]), key: (r) => col[r], n: true });

  const tables = {
    findings: {
      rows: data.findings.rows,
      columns: [
        { name: "severity", get: (r) => SEVERITY[F.s[r]], key: (r) => F.s[r], sev: true },
        { name: "rule", ...(F.r ? text(F.r) : {}) },
        { name: "identity", ...(F.r ? text(F.i) : {}) },
        { name: "role", ...(F.r ? text(F.o) : {}) },
        { name: "level", ...(F.r ? text(F.l) : {}) },
        { name: "scope", get: (r) => joinId(F.ph[r], F.pn[r]), show: (r) => T[F.pn[r]], keys: (r) => [F.ph[r], F.pn[r]], key: (r) => lower(F.pn[r]), id: true },
        { name: "environment", ...(F.r ? text(F.e) : {}) },
        { name: "owner", ...(F.r ? text(F.w) : {}) },
        { name: "disposition", ...(F.r ? text(F.d) : {}) },
        { name: "what", get: sentence, keys: (r) => F.m[r], key: (r) => sentence(r) },
        { name: "subject", get: (r) => joinId(F.uh[r], F.un[r]), show: (r) => T[F.un[r]], keys: (r) => [F.uh[r], F.un[r]], key: (r) => lower(F.un[r]), id: true },
      ],
      facets: [["severity", "all severities"], ["rule", "all rules"], ["environment", "all environments"], ["level", "all levels"], ["disposition", "all dispositions"]],
      preset: { disposition: "open" },
      open: (r) => (F.x[r] ? drawer(F.x[r] - 1) : plainDrawer(r)),
    },
    identities: {
      rows: data.identities.rows,
      columns: [
        { name: "name", ...(I.n ? text(I.n) : {}) },
        { name: "kind", ...(I.n ? text(I.k) : {}) },
        { name: "environment", ...(I.n ? text(I.e) : {}) },
        { name: "owner", ...(I.n ? text(I.w) : {}) },
        { name: "hosts", ...(I.n ? number(I.h) : {}) },
        { name: "federated", ...(I.n ? number(I.f) : {}) },
        { name: "grants", ...(I.n ? number(I.g) : {}) },
        { name: "worst it can do", get: (r) => T[I.z[r]], keys: (r) => [I.z[r]], key: (r) => -RISK.indexOf(T[I.z[r]]) },
        { name: "use", ...(I.n ? text(I.u) : {}) },
        ...(I.n && I.y.some((y) => y) ? [{ name: "used, %", get: (r) => (I.y[r] ? String(I.y[r] - 1) : ""), key: (r) => I.y[r], n: true }] : []),
        { name: "name fits", ...(I.n ? text(I.v) : {}) },
        { name: "findings", ...(I.n ? number(I.q) : {}) },
        { name: "id", get: (r) => joinId(I.ph[r], I.pn[r]), show: (r) => T[I.ph[r]] + "/…", keys: (r) => [I.ph[r], I.pn[r], I.pr[r]], key: (r) => lower(I.pn[r]), id: true },
      ],
      facets: [["kind", "all kinds"], ["environment", "all environments"], ["worst it can do", "all risks"], ["use", "any use"], ["name fits", "any name"]],
      preset: {},
      open: (r) => drawer(r),
    },
  };

  const grantsOf = new Map();
  for (let k = 0; k < data.grants.rows; k++) {
    const at = G.x[k];
    if (grantsOf.has(at)) grantsOf.get(at).push(k); else grantsOf.set(at, [k]);
  }
  let findingsOf = null;
  const findingsFor = (identity) => {
    if (!findingsOf) {
      findingsOf = new Map();
      for (let r = 0; r < data.findings.rows; r++) {
        const at = F.x[r] - 1;
        if (at < 0) continue;
        if (findingsOf.has(at)) findingsOf.get(at).push(r); else findingsOf.set(at, [r]);
      }
    }
    return findingsOf.get(identity) || [];
  };

  const dialog = document.getElementById("drawer");
  const title = document.getElementById("drawer-title");
  const body = document.getElementById("drawer-body");
  document.getElementById("drawer-close").addEventListener("click", () => dialog.close());
  const show = (name, parts) => {
    title.textContent = name;
    body.replaceChildren(...parts);
    dialog.showModal();
  };
  const facts = (pairs) => {
    const dl = el("dl");
    for (const [k, v] of pairs) if (v) dl.append(el("dt", k), el("dd", v));
    return dl;
  };
  const grid = (heads, rows) => {
    const wrap = el("div", undefined, "plain"), table = el("table"), head = el("thead"), tr = el("tr"), tb = el("tbody");
    for (const h of heads) tr.append(el("th", h));
    head.append(tr);
    for (const cells of rows) {
      const line = el("tr");
      for (const c of cells) line.append(c instanceof Node ? wrapCell(c) : el("td", c));
      tb.append(line);
    }
    table.append(head, tb);
    wrap.append(table);
    return wrap;
  };
  const wrapCell = (node) => { const td = el("td"); td.append(node); return td; };
  const badge = (s) => el("span", s, "sev s-" + s);
  function drawer(r) {
    const grants = grantsOf.get(r) || [];
    const found = findingsFor(r);
    const parts = [
      facts([
        ["kind", T[I.k[r]]], ["id", joinId(I.ph[r], I.pn[r])], ["principal", T[I.pr[r]]],
        ["environment", T[I.e[r]] || "not known"], ["owner", T[I.w[r]] || "nobody"],
        ["last sign-in", T[I.a[r]] || "not known"], ["use", T[I.u[r]]],
        ["used of what it holds", I.y[r] ? I.y[r] - 1 + " %, weighed by harm, reads aside" : "no activity log"],
        ["effective access", I.c[r].map((k) => T[k]).join(", ") || "none"],
      ]),
      el("h3", "Grants (" + grants.length + ")"),
      grid(["worst it can do", "role", "level", "scope", "through", "state", "condition"],
        grants.map((k) => [T[G.z[k]], T[G.o[k]], T[G.l[k]], joinId(G.ph[k], G.pn[k]), T[G.v[k]], T[G.t[k]], G.c[k] ? "yes" : "none"])),
      el("h3", "Hosts (" + I.h[r] + ")"),
      grid(["resource"], I.o[r].map((k) => [T[k]])),
      el("h3", "Findings (" + found.length + ")"),
      grid(["severity", "rule", "what", "disposition"], found.slice(0, 200).map((k) => [badge(SEVERITY[F.s[k]]), T[F.r[k]], sentence(k), T[F.d[k]]])),
    ];
    show(T[I.n[r]], parts);
  }
  function plainDrawer(r) {
    show(T[F.r[r]], [badge(SEVERITY[F.s[r]]), el("p", sentence(r)), facts([["subject", joinId(F.uh[r], F.un[r])], ["scope", joinId(F.ph[r], F.pn[r])], ["disposition", T[F.d[r]]]])]);
  }

  const ROW = 30;
  const guard = (s) => (/^[=+\-@\t\r\n\0＝＋－＠]/.test(s) ? "'" + s : s);
  const csv = (s) => (/[",\r\n]/.test(s) ? '"' + s.replaceAll('"', '""') + '"' : s);

  function live(name, def) {
    const box = document.getElementById(name + "-window");
    const table = document.getElementById(name + "-table");
    const tools = document.getElementById(name + "-tools");
    if (!def.rows) return;
    tools.hidden = false;
    table.classList.add("live");
    // What was said of the first rows holds only where no script runs.
    box.nextElementSibling.textContent = "Also in " + name + ".csv.";
    const state = { q: "", facet: { ...def.preset }, by: null, down: false, on: 0 };
    const view = { rows: [] };
    const count = el("span", "", "dim");
    count.setAttribute("aria-live", "polite");
    const search = el("input");
    search.type = "search";
    search.placeholder = "search " + name + "  ( / )";
    search.setAttribute("aria-label", "search " + name);
    tools.append(search);
    const column = (n) => def.columns.find((c) => c.name === n);
    const selects = {};
    for (const [n, all] of def.facets) {
      const c = column(n), select = el("select"), seen = new Map();
      select.setAttribute("aria-label", n);
      for (let r = 0; r < def.rows; r++) { const v = c.get(r); seen.set(v, (seen.get(v) || 0) + 1); }
      const values = [...seen.keys()];
      const rank = n === "severity" ? (v) => SEVERITY.indexOf(v) : n === "worst it can do" ? (v) => -RISK.indexOf(v) : null;
      values.sort(rank ? (a, b) => rank(a) - rank(b) : undefined);
      const first = el("option", all);
      first.value = "";
      select.append(first);
      for (const v of values) {
        const option = el("option", (v || "not known") + " (" + seen.get(v) + ")");
        option.value = "=" + v;
        select.append(option);
      }
      if (state.facet[n] !== undefined && !seen.has(state.facet[n])) delete state.facet[n];
      if (state.facet[n] !== undefined) select.value = "=" + state.facet[n];
      select.addEventListener("change", () => {
        if (select.value) state.facet[n] = select.value.slice(1); else delete state.facet[n];
        refresh();
      });
      selects[n] = select;
      tools.append(select);
    }
    const save = el("button", "export these rows");
    save.type = "button";
    tools.append(save, count);
    const head = el("thead"), headRow = el("tr"), tbody = el("tbody");
    def.columns.forEach((c) => {
      const th = el("th"), b = el("button", c.name);
      b.type = "button";
      th.scope = "col";
      th.append(b);
      b.addEventListener("click", () => {
        state.down = state.by === c && !state.down;
        state.by = c;
        for (const other of headRow.children) other.removeAttribute("aria-sort");
        th.setAttribute("aria-sort", state.down ? "descending" : "ascending");
        refresh();
      });
      headRow.append(th);
    });
    head.append(headRow);
    table.replaceChildren(head, tbody);
    table.setAttribute("aria-rowcount", def.rows + 1);

    function refresh() {
      const q = state.q.trim().toLowerCase();
      let hit = null;
      if (q) {
        hit = new Uint8Array(T.length);
        for (let k = 0; k < T.length; k++) if (lower(k).includes(q)) hit[k] = 1;
      }
      const picks = Object.entries(state.facet).map(([n, v]) => [column(n), v]);
      const keyed = def.columns.filter((c) => c.keys);
      const rows = [];
      for (let r = 0; r < def.rows; r++) {
        if (picks.some(([c, v]) => c.get(r) !== v)) continue;
        if (hit && !keyed.some((c) => c.keys(r).some((k) => hit[k]))) continue;
        rows.push(r);
      }
      if (state.by) {
        const keys = new Map(rows.map((r) => [r, state.by.key(r)]));
        const way = state.down ? -1 : 1;
        rows.sort((a, b) => {
          const x = keys.get(a), y = keys.get(b);
          if (x === "" || y === "") return x === y ? a - b : x === "" ? 1 : -1;
          return x < y ? -way : x > y ? way : a - b;
        });
      }
      view.rows = rows;
      state.on = 0;
      count.textContent = rows.length === def.rows ? def.rows + " rows" : rows.length + " of " + def.rows + " rows";
      box.scrollTop = 0;
      draw();
    }
    const pad = (rows) => {
      const tr = el("tr", undefined, "pad"), td = el("td");
      td.colSpan = def.columns.length;
      td.style.height = rows * ROW + "px";
      tr.append(td);
      return tr;
    };
    let first = -1, last = -1;
    function draw(force = true) {
      const from = Math.max(0, Math.floor(box.scrollTop / ROW) - 8);
      const to = Math.min(view.rows.length, from + Math.ceil(box.clientHeight / ROW) + 16);
      if (!force && from === first && to === last) return;
      first = from;
      last = to;
      const lines = [pad(from)];
      for (let k = from; k < to; k++) {
        const r = view.rows[k], tr = el("tr");
        if (k === state.on) tr.className = "on";
        tr.setAttribute("aria-rowindex", k + 2);
        for (const c of def.columns) {
          const value = c.get(r);
          const td = el("td", c.sev ? undefined : c.show ? c.show(r) : value, c.n ? "n" : c.id ? "id" : undefined);
          if (c.sev) td.append(badge(value)); else if (c.show || value.length > 40) td.title = value;
          tr.append(td);
        }
        tr.addEventListener("click", () => { state.on = k; draw(); def.open(r); });
        lines.push(tr);
      }
      lines.push(pad(view.rows.length - to));
      tbody.replaceChildren(...lines);
    }
    box.addEventListener("scroll", () => requestAnimationFrame(() => draw(false)), { passive: true });
    addEventListener("resize", () => draw());
    let timer = 0;
    search.addEventListener("input", () => { clearTimeout(timer); timer = setTimeout(() => { state.q = search.value; refresh(); }, 90); });
    box.addEventListener("keydown", (e) => {
      const page = Math.max(1, Math.floor(box.clientHeight / ROW) - 2);
      const step = { ArrowDown: 1, ArrowUp: -1, PageDown: page, PageUp: -page, Home: -1e9, End: 1e9 }[e.key];
      if (step) {
        e.preventDefault();
        state.on = Math.min(view.rows.length - 1, Math.max(0, state.on + step));
        const top = state.on * ROW;
        if (top < box.scrollTop) box.scrollTop = top;
        if (top + 3 * ROW > box.scrollTop + box.clientHeight) box.scrollTop = top + 3 * ROW - box.clientHeight;
        draw();
      } else if (e.key === "Enter" && view.rows.length) def.open(view.rows[state.on]);
    });
    save.addEventListener("click", () => {
      const lines = [def.columns.map((c) => c.name).join(",")];
      for (const r of view.rows) lines.push(def.columns.map((c) => csv(guard(c.get(r)))).join(","));
      const link = el("a");
      link.href = URL.createObjectURL(new Blob([lines.join("\r\n") + "\r\n"], { type: "text/csv" }));
      link.download = name + "-filtered.csv";
      link.click();
      setTimeout(() => URL.revokeObjectURL(link.href), 1000);
    });
    refresh();
    return search;
  }
  const boxes = Object.entries(tables).map(([name, def]) => live(name, def)).filter(Boolean);
  document.addEventListener("keydown", (e) => {
    if (e.key === "/" && !/^(INPUT|SELECT|TEXTAREA)$/.test(document.activeElement.tagName) && boxes.length) {
      e.preventDefault();
      boxes[0].focus();
      boxes[0].scrollIntoView({ block: "center" });
    }
  });
})();
