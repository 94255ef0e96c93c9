'use strict';
const ACTIONS = ['drop', 'relabel', 'trust'];

/** Decisions about photographs: kept by the browser, written and read as CSV. */
function makeTicks(key, names) {
  let ticks = new Map(); // name -> {action, labels}
  const columns = ['image', 'action', 'labels'];
  const cell = (text) => (/[",\r\n]|^\s|\s$/.test(text) ? `"${text.replaceAll('"', '""')}"` : text);

  function recall() {
    try {
      ticks = new Map(JSON.parse(localStorage.getItem(key) || '[]'));
    } catch (error) { /* the browser keeps nothing, or something else */ }
  }

  function keep() {
    try {
      localStorage.setItem(key, JSON.stringify([...ticks]));
    } catch (error) { /* the browser keeps nothing */ }
  }

  /** Cells of each line. */
  function parse(text) {
    const rows = [[]];
    let value = '', quoted = false;
    for (let i = 0; i < text.length; i++) {
      const c = text[i];
      if (quoted) {
        if (c !== '"') value += c;
        else if (text[i + 1] === '"') { value += c; i++; } else quoted = false;
      } else if (c === '"') quoted = true;
      else if (c === ',' || c === '\n') {
        rows.at(-1).push(value);
        value = '';
        if (c === '\n') rows.push([]);
      } else if (c !== '\r') value += c;
    }
    if (value || rows.at(-1).length) rows.at(-1).push(value);
    return rows.filter((row) => row.length > 1);
  }

  recall();
  return {
    get: (name) => ticks.get(name),
    has: (name) => ticks.has(name),
    size: () => ticks.size,
    set(name, action, labels) {
      if (action === null) ticks.delete(name);
      else ticks.set(name, { action, labels: labels || [] });
      keep();
    },
    csv() {
      const rows = names.filter((name) => ticks.has(name)).map((name) => {
        const { action, labels } = ticks.get(name);
        return [name, action, labels.join(';')].map(cell).join(',');
      });
      return [columns.join(','), ...rows, ''].join('\n');
    },
    /** Adds the ticks of a CSV; gives the number of those taken and that of all lines. */
    read(text) {
      const [head, ...rows] = parse(text.replace(/^\ufeff/, ''));
      const [image, action, labels] = columns.map((name) => (head || []).indexOf(name));
      const known = new Set(names);
      const taken = rows.filter((row) => known.has(row[image]) && ACTIONS.includes(row[action]));
      for (const row of taken) {
        const chosen = (row[labels] || '').split(';').filter(Boolean);
        ticks.set(row[image], { action: row[action], labels: chosen });
      }
      keep();
      return [taken.length, rows.length];
    },
  };
}
