"use strict";
(() => {
  const data = JSON.parse(document.getElementById("data").textContent);
  const dialog = document.getElementById("details");
  const table = document.getElementById("matrix");
  const form = document.getElementById("filters");
  if (!table) return;

  // Everything is built from text nodes: what came from a wire is never parsed as markup.
  const el = (tag, attributes = {}, ...children) => {
    const node = document.createElement(tag);
    for (const [name, value] of Object.entries(attributes)) {
      if (name.startsWith("on")) node.addEventListener(name.slice(2), value);
      else node.setAttribute(name, value);
    }
    node.append(...children.filter((child) => child !== null && child !== undefined && child !== ""));
    return node;
  };
  const text = (index) => data.texts[index];
  const badge = (state) => el("span", { class: "badge " + state }, data.symbols[state] + " " + data.labels[state]);
  const place = (name, fault) => (name && fault ? name + " under " + fault : name || fault || "the stream");

  const linked = (source) =>
    source.split(/(https?:\/\/[^\s()<>"']+)/).map((part, i) =>
      i % 2 ? el("a", { href: part, target: "_blank", rel: "noopener noreferrer" }, part) : part);

  async function copy(command, button) {
    try {
      await navigator.clipboard.writeText(command);
    } catch {
      const area = el("textarea", { class: "hidden" });
      area.value = command;
      dialog.append(area);
      area.select();
      document.execCommand("copy");
      area.remove();
    }
    button.textContent = "Copied";
    setTimeout(() => { button.textContent = "Copy"; }, 1500);
  }

  const command = (line) => {
    const button = el("button", { type: "button", onclick: () => copy(line, button) }, "Copy");
    return el("div", { class: "command" }, el("pre", {}, line), button);
  };

  const facts = (pairs) => {
    const list = el("dl");
    for (const [name, value] of pairs) if (value) list.append(el("dt", {}, name), el("dd", {}, value));
    return list;
  };

  function ruleNodes(id) {
    const rule = data.rules[id];
    if (!rule) return [el("h2", { id: "details-title" }, id), el("p", {}, "This rulebook has no such rule.")];
    const [title, group, keyword, basis, source, statement] = rule;
    return [
      el("h2", { id: "details-title" }, id + " " + title),
      el("blockquote", {}, el("p", {}, statement)),
      el("p", { class: "muted" }, [keyword, basis, group].filter(Boolean).join(" · ")),
      facts([["source", el("span", {}, ...linked(source))]]),
    ];
  }

  const bytes = ([, , , excerpt, from, to]) =>
    ["bytes [" + from + ", " + to + ")", text(excerpt) ? el("pre", {}, text(excerpt)) : null];
  const reproduce = ([, , line]) => ["reproduce", text(line) ? command(text(line)) : null];

  function caseNodes(cases) {
    const item = (one) =>
      el("li", {}, place(text(one[0]), text(one[1])), facts([bytes(one), reproduce(one)]));
    if (cases.length === 1) return null;
    const list = el("ul", { class: "cases" }, ...cases.slice(1).map(item));
    return el("details", {}, el("summary", {}, "the same in " + (cases.length - 1) + " more"), list);
  }

  function groupNodes([state, outcome, expected, got, reason, count, cases]) {
    const heading = el("h3", {}, badge(state), state === "expected" ? " (" + outcome + ")" : "",
      " " + count + (count === 1 ? " case" : " cases"));
    if (typeof cases === "number") {
      return [heading, facts([["reason", text(reason)], ["cases", el("pre", {}, text(cases))]])];
    }
    const [name, fault] = cases[0];
    return [heading, facts([
      ["case", text(name)], ["fault", text(fault)],
      ["expected", text(expected)], ["got", text(got)], ["reason", text(reason)],
      bytes(cases[0]), reproduce(cases[0]),
    ]), caseNodes(cases)];
  }

  function differenceNodes(rule, slug) {
    const found = data.differences[rule + " " + slug];
    if (!found) return [];
    const items = found.map(([where, sync, other]) =>
      el("li", {}, (text(where) || "the stream") + ": sync ", badge(sync), ", async ", badge(other)));
    return [el("h3", {}, el("span", { class: "badge differs" }, "≠"), " sync and async differ"),
      el("ul", { class: "cases" }, ...items)];
  }

  const links = [...table.querySelectorAll("td a")];
  const cellOf = new Map(links.map((link) => [link.getAttribute("href").slice(1), link]));
  const isLoud = (link) => !link.parentNode.matches(".pass, .skip, .faded") && link.offsetParent !== null;

  function neighbour(anchor, step) {
    const here = links.indexOf(cellOf.get(anchor));
    for (let i = here + step; i >= 0 && i < links.length; i += step) if (isLoud(links[i])) return links[i];
    return null;
  }

  function bar(who, anchor) {
    const go = (label, step) => {
      const to = anchor && neighbour(anchor, step);
      return el("button", {
        type: "button", title: label, "aria-label": label,
        onclick: () => to && location.replace(to.href), ...(to ? {} : { disabled: "" }),
      }, step < 0 ? "‹" : "›");
    };
    const steps = anchor ? [go("previous cell that is not green", -1), go("next cell that is not green", 1)] : [];
    return el("div", { class: "bar" }, el("div", { class: "who" }, ...who), ...steps,
      el("button", { type: "button", onclick: () => dialog.close() }, "Close"));
  }

  function draw(anchor) {
    if (anchor.startsWith("rule-")) {
      const id = anchor.slice(5);
      if (!data.rules[id]) return false;
      dialog.replaceChildren(bar(["Rule"]), el("div", { class: "inner" }, ...ruleNodes(id)));
      return true;
    }
    const cell = data.cells[anchor];
    if (!cell) return false;
    const [rule, slug, path, groups] = cell;
    const [subject, version] = data.subjects[slug];
    const who = [badge(groups[0][0]), " ", el("b", {}, subject), " " + [version, path].filter(Boolean).join(", ")];
    const parts = [...ruleNodes(rule), ...groups.flatMap(groupNodes), ...differenceNodes(rule, slug)];
    dialog.replaceChildren(bar(who, anchor), el("div", { class: "inner" }, ...parts.filter(Boolean)));
    return true;
  }

  function follow() {
    let anchor = "";
    try { anchor = decodeURIComponent(location.hash.slice(1)); } catch { /* not one of ours */ }
    if (!draw(anchor)) {
      if (dialog.open) dialog.close();
      return;
    }
    dialog.scrollTop = 0;
    if (!dialog.open) dialog.showModal();
    dialog.focus();
  }
  addEventListener("hashchange", follow);
  dialog.addEventListener("close", () => {
    const link = cellOf.get(decodeURIComponent(location.hash.slice(1)));
    history.replaceState(null, "", location.pathname + location.search);
    if (link) focus(link);
  });
  dialog.addEventListener("click", (event) => { if (event.target === dialog) dialog.close(); });

  // One cell is in the tab order; arrow keys move it, as in any grid.
  let current = links[0];
  function focus(link) {
    if (current) current.tabIndex = -1;
    current = link;
    current.tabIndex = 0;
    current.focus();
  }
  if (current) current.tabIndex = 0;
  table.addEventListener("focusin", (event) => {
    if (!event.target.matches("td a")) return;
    current.tabIndex = -1;
    current = event.target;
    current.tabIndex = 0;
  });
  const sideways = { ArrowLeft: -1, ArrowRight: 1 };
  const upDown = { ArrowUp: -1, ArrowDown: 1 };
  table.addEventListener("keydown", (event) => {
    const td = event.target.closest("td");
    if (!td || event.altKey || event.ctrlKey || event.metaKey) return;
    const rows = [...table.querySelectorAll("tr[data-rule]")].filter((row) => !row.hidden);
    const next = () => {
      if (event.key in sideways) {
        let to = td;
        do { to = sideways[event.key] < 0 ? to.previousElementSibling : to.nextElementSibling; }
        while (to && (to.hidden || (to.matches("td") && !to.firstElementChild)));
        return to;
      }
      let at = rows.indexOf(td.parentNode) + upDown[event.key];
      while (rows[at] && !rows[at].children[td.cellIndex].firstElementChild) at += upDown[event.key];
      return rows[at] && rows[at].children[td.cellIndex];
    };
    if (!(event.key in sideways) && !(event.key in upDown)) return;
    event.preventDefault();
    const to = next();
    if (to && to.matches("td")) focus(to.firstElementChild);
  });

  // Filters: a row stays while one of its cells matches; the others in it fade.
  const heads = [...table.querySelectorAll("th[data-subject]")];
  const columns = [...table.querySelectorAll("th.path")].map((head) => head.dataset.subject);
  const rows = [...table.querySelectorAll("tr[data-rule]")];
  const words = new Map();
  function wordsOf(anchor) {
    if (!words.has(anchor)) {
      const [, slug, , groups] = data.cells[anchor];
      const found = [data.subjects[slug][0]];
      for (const [, , expected, got, reason, , cases] of groups) {
        found.push(text(expected), text(got), text(reason));
        if (typeof cases === "number") continue;
        for (const [name, fault, , excerpt] of cases) found.push(text(name), text(fault), text(excerpt));
      }
      words.set(anchor, found.join("\n").toLowerCase());
    }
    return words.get(anchor);
  }
  const ruleWords = (id) => (id + "\n" + (data.rules[id] || []).join("\n")).toLowerCase();

  function filter() {
    const chosen = new FormData(form);
    const states = chosen.getAll("state");
    const differs = chosen.has("differs");
    const subject = chosen.get("subject");
    const query = chosen.get("text").trim().toLowerCase();
    const all = !states.length && !differs && !query;
    for (const head of heads) head.hidden = Boolean(subject) && head.dataset.subject !== subject;
    let shown = 0;
    for (const row of rows) {
      const ruleHit = !query || ruleWords(row.dataset.rule).includes(query);
      let hits = 0;
      [...row.querySelectorAll("td")].forEach((td, i) => {
        td.hidden = Boolean(subject) && columns[i] !== subject;
        const link = td.firstElementChild;
        const hit = Boolean(link) && !td.hidden && (!states.length || states.includes(td.classList[0])) &&
          (!differs || td.classList.contains("differs")) &&
          (ruleHit || wordsOf(link.getAttribute("href").slice(1)).includes(query));
        td.classList.toggle("faded", !hit && !all);
        hits += hit;
      });
      row.hidden = !hits;
      shown += hits;
    }
    for (const body of table.tBodies) body.hidden = ![...body.rows].some((row) => row.dataset.rule && !row.hidden);
    document.getElementById("shown").textContent = all && !subject ? "" : shown.toLocaleString("en") + " cells shown";
  }
  form.addEventListener("input", filter);
  form.addEventListener("reset", () => setTimeout(filter));
  form.addEventListener("submit", (event) => event.preventDefault());
  filter();
  follow();
})();
