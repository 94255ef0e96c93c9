(() => {
  const byId = (id) => document.getElementById(id);
  const data = JSON.parse(byId('data').textContent);
  const { classes, colours, items } = data;
  const STEP = 60; // cards that are made at a time
  const KEPT = 16; // blocks of pictures that stay decoded
  const KINDS = {
    'no-evidence': (names) => `nothing like ${names}`,
    unlabelled: (names) => `${names}, not labelled`,
    area: (names) => `unusual size of ${names}`,
    overlap: (names) => `${names} on one spot`,
    disagreement: () => 'segmentor sees it otherwise',
  };
  const KIND_NAMES = {
    'no-evidence': 'label without evidence', unlabelled: 'evidence without label',
    area: 'unusual size', overlap: 'two classes on one spot', disagreement: 'segmentor disagrees',
  };
  const ticks = makeTicks(`weaktr-review-${data.key}`, items.map((item) => item.name));
  let shown = []; // indices of the items that pass the filters
  let made = 0; // how many of them have a card
  let current = 0; // position in shown

  function tick(index, action, labels) {
    ticks.set(items[index].name, action, labels);
    count();
    const card = document.querySelector(`[data-index="${index}"]`);
    if (card) decorate(card, index);
  }

  function decide(index, action) {
    const now = ticks.get(items[index].name);
    if (action === 'relabel') openRelabel(index);
    else tick(index, now && now.action === action ? null : action);
  }

  function save() {
    const link = document.createElement('a');
    link.href = URL.createObjectURL(new Blob([ticks.csv()], { type: 'text/csv' }));
    link.download = 'review.csv';
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 1000);
    byId('count').textContent = `${ticks.size()} ticks in review.csv: put it beside labels.csv, the next run reads it`;
  }

  async function load(file) {
    const [read, rows] = ticks.read(await file.text());
    filter();
    byId('count').textContent += `; ${read} of ${rows} lines of ${file.name} read`;
  }

  // --- pictures: blocks of base64 in the page, decoded when a card needs them ---
  const blocks = new Map();
  function pictures(index) {
    const id = Math.floor(index / data.chunk);
    const block = blocks.get(id) || JSON.parse(byId(`pictures-${id}`).textContent);
    blocks.delete(id);
    blocks.set(id, block);
    if (blocks.size > KEPT) blocks.delete(blocks.keys().next().value);
    return block[index % data.chunk];
  }

  function element(tag, name, text) {
    const node = document.createElement(tag);
    if (name) node.className = name;
    if (text !== undefined) node.textContent = text;
    return node;
  }

  function draw(target, index) {
    const kinds = [['photo', 'jpeg'], ['mask label', 'png'], ['mask prediction', 'png']];
    pictures(index).forEach((code, layer) => {
      const image = element('img', kinds[layer][0]);
      image.decoding = 'async';
      image.alt = layer ? '' : items[index].name;
      image.src = `data:image/${kinds[layer][1]};base64,${code}`;
      target.append(image);
    });
  }
  const drawing = new IntersectionObserver((entries) => {
    for (const entry of entries) if (entry.isIntersecting) {
      drawing.unobserve(entry.target);
      draw(entry.target, Number(entry.target.parentNode.dataset.index));
    }
  }, { rootMargin: '600px' });

  // --- cards ---
  const names = (ids) => ids.map((id) => classes[id]).join(', ');

  function colourChip(id) {
    const chip = element('i', 'colour');
    chip.style.background = colours[id];
    return chip;
  }

  function card(index) {
    const item = items[index], node = element('article', 'card'), text = element('div', 'text');
    node.dataset.index = index;
    node.tabIndex = -1;
    const labels = element('p', 'labels');
    item.labels.forEach((id, i) => labels.append(i ? ' ' : '', colourChip(id), classes[id]));
    if (!item.labels.length) labels.textContent = 'no label';
    const reasons = element('ul', 'reasons');
    for (const [kind, score, ids] of item.reasons.slice(0, 3)) {
      const line = element('li');
      line.append(element('b', '', score.toFixed(2)), ` ${KINDS[kind](names(ids))}`);
      reasons.append(line);
    }
    text.append(labels, element('p', 'new'), reasons, element('p', 'name', item.name));
    const buttons = element('div', 'actions');
    for (const action of ACTIONS) {
      const button = element('button', action, action);
      button.type = 'button';
      button.tabIndex = -1;
      button.dataset.action = action;
      buttons.append(button);
    }
    const picture = element('div', 'picture');
    node.append(picture, text, buttons);
    decorate(node, index);
    drawing.observe(picture);
    return node;
  }

  function decorate(node, index) {
    const now = ticks.get(items[index].name);
    if (now) node.dataset.action = now.action; else delete node.dataset.action;
    node.querySelector('.new').textContent = now && now.labels.length ? `→ ${now.labels.join(', ')}` : '';
    for (const button of node.querySelectorAll('.actions button')) {
      button.setAttribute('aria-pressed', String(Boolean(now) && now.action === button.dataset.action));
    }
    node.setAttribute('aria-label', `${items[index].name}, ${names(items[index].labels)}${now ? `, ${now.action}` : ''}`);
  }

  function grow(until = made + STEP) {
    const end = Math.min(until, shown.length), part = document.createDocumentFragment();
    for (; made < end; made++) part.append(card(shown[made]));
    byId('cards').append(part);
  }
  // A page that was shorter than the window shows the mark again without crossing it.
  const growing = new IntersectionObserver((entries) => {
    if (!entries.at(-1).isIntersecting || made >= shown.length) return;
    grow();
    growing.unobserve(byId('more'));
    growing.observe(byId('more'));
  }, { rootMargin: '1500px' });

  // --- filters ---
  function options(id, entries) {
    for (const [value, text] of entries) {
      const option = element('option', '', text);
      option.value = value;
      byId(id).append(option);
    }
  }

  function kindScore(item, kind) {
    const found = item.reasons.find((reason) => reason[0] === kind);
    return found ? found[1] : 0;
  }

  function filter() {
    const label = byId('class').value, kind = byId('kind').value, ticked = byId('ticked').value;
    const search = byId('search').value.toLowerCase();
    shown = items.map((_, index) => index).filter((index) => {
      const item = items[index], now = ticks.get(item.name);
      const about = (id) => item.labels.includes(id) || item.reasons.some((reason) => reason[2].includes(id));
      return (label === '' || about(Number(label))) && (kind === '' || kindScore(item, kind) > 0)
        && (ticked === '' || (ticked === 'no' ? !now : now && (ticked === 'yes' || now.action === ticked)))
        && item.name.toLowerCase().includes(search);
    });
    if (kind) shown.sort((a, b) => kindScore(items[b], kind) - kindScore(items[a], kind) || a - b);
    byId('cards').replaceChildren();
    made = 0;
    grow();
    growing.unobserve(byId('more'));
    growing.observe(byId('more'));
    if (!shown.length) byId('cards').append(element('p', 'empty', 'No photograph passes the filters.'));
    current = 0;
    const first = byId('cards').querySelector('.card');
    if (first) first.tabIndex = 0;
    count();
  }

  function count() {
    const of = shown.length === items.length ? '' : `${shown.length} of `;
    byId('count').textContent = `${of}${items.length} photographs, ${ticks.size()} ticked`;
  }

  // --- keyboard and mouse ---
  function focus(position) {
    if (!shown.length) return;
    const at = Math.max(0, Math.min(position, shown.length - 1));
    if (at >= made) grow(at + STEP);
    const cards = byId('cards').children;
    if (cards[current]) cards[current].tabIndex = -1;
    current = at;
    cards[at].tabIndex = 0;
    cards[at].focus();
    cards[at].scrollIntoView({ block: 'nearest' });
  }

  const perRow = () => getComputedStyle(byId('cards')).gridTemplateColumns.split(' ').length;
  const moves = {
    ArrowRight: () => 1, ArrowLeft: () => -1, ArrowDown: perRow, ArrowUp: () => -perRow(), j: () => 1, k: () => -1,
    Home: () => -current, End: () => shown.length,
  };
  const jumps = {
    c: () => byId('class').focus(), '/': () => byId('search').focus(), s: save, '?': () => byId('keys').showModal(),
    o: () => { const select = byId('overlay'); select.selectedIndex = (select.selectedIndex + 1) % select.length; overlay(); },
  };
  const decisions = { d: 'drop', r: 'relabel', t: 'trust' };

  document.addEventListener('keydown', (event) => {
    const typing = event.target.closest('input, select, dialog');
    if (event.key === 'Escape' && typing && !event.target.closest('dialog')) { focus(current); return; }
    if (typing || event.ctrlKey || event.metaKey || event.altKey) return;
    const on = document.activeElement.closest('.card') !== null, index = shown[current];
    if (event.key in moves) focus(on ? current + moves[event.key]() : current);
    else if (event.key in jumps) jumps[event.key]();
    else if (event.key in decisions) on ? decide(index, decisions[event.key]) : focus(current);
    else if (on && (event.key === 'u' || event.key === 'Backspace')) tick(index, null);
    else if (event.key === 'Enter' && document.activeElement.matches('.card')) openLarge(index);
    else return;
    event.preventDefault();
  });

  byId('cards').addEventListener('click', (event) => {
    const node = event.target.closest('.card');
    if (!node) return;
    focus([...byId('cards').children].indexOf(node));
    const button = event.target.closest('button'), index = Number(node.dataset.index);
    if (button) decide(index, button.dataset.action);
    else if (event.target.closest('.picture')) openLarge(index);
  });

  // --- dialogs ---
  function openLarge(index) {
    const picture = byId('large').querySelector('.picture');
    picture.replaceChildren();
    draw(picture, index);
    byId('large').querySelector('p').textContent = [
      items[index].name, ...items[index].reasons.map(([kind, score, ids]) => `${KINDS[kind](names(ids))} ${score.toFixed(2)}`),
    ].join(' · ');
    byId('large').showModal();
  }

  function openRelabel(index) {
    const item = items[index], now = ticks.get(item.name);
    const old = now && now.action === 'relabel' ? now.labels : item.labels.map((id) => classes[id]);
    byId('relabel').dataset.index = index;
    byId('relabel-name').textContent = item.name;
    byId('relabel-classes').replaceChildren(...classes.map((name, id) => {
      const line = element('label'), box = element('input');
      box.type = 'checkbox';
      box.value = name;
      box.checked = old.includes(name);
      const p = item.scores ? ` (p = ${item.scores[id].toFixed(2)})` : '';
      line.append(box, ' ', colourChip(id), name, element('span', 'soft', p));
      return line;
    }));
    allow();
    byId('relabel').showModal();
  }
  const chosen = () => [...byId('relabel-classes').querySelectorAll(':checked')].map((box) => box.value);
  const allow = () => { byId('relabel-save').disabled = !chosen().length; };
  byId('relabel-classes').addEventListener('change', allow);
  byId('relabel-cancel').addEventListener('click', () => byId('relabel').close());
  byId('relabel').addEventListener('submit', () => tick(Number(byId('relabel').dataset.index), 'relabel', chosen()));
  for (const dialog of document.querySelectorAll('dialog')) dialog.addEventListener('close', () => focus(current));

  // --- theme and overlay ---
  function overlay() { document.body.dataset.overlay = byId('overlay').value; }
  const themes = ['auto', 'light', 'dark'], themeKey = 'weaktr-report-theme';
  let theme = 'auto';
  function paint() {
    if (theme === 'auto') delete document.documentElement.dataset.theme; else document.documentElement.dataset.theme = theme;
    byId('theme').textContent = `Theme: ${theme}`;
  }
  try { theme = localStorage.getItem(themeKey) || 'auto'; } catch (error) { /* private mode */ }
  if (!themes.includes(theme)) theme = 'auto';
  if (['#light', '#dark'].includes(location.hash)) theme = location.hash.slice(1);
  byId('theme').addEventListener('click', () => {
    theme = themes[(themes.indexOf(theme) + 1) % 3];
    try { localStorage.setItem(themeKey, theme); } catch (error) { /* private mode */ }
    paint();
  });

  // --- start ---
  const having = (kind) => items.filter((item) => kindScore(item, kind) >= 0.5).length;
  const labelled = (id) => items.filter((item) => item.labels.includes(id)).length;
  options('class', [['', 'all'], ...classes.map((name, id) => [id, `${name} (${labelled(id)})`])]);
  options('kind', [['', 'all'], ...data.kinds.map((kind) => [kind, `${KIND_NAMES[kind]} (${having(kind)})`])]);
  options('ticked', [['', 'all'], ['no', 'not yet'], ['yes', 'any'], ...ACTIONS.map((action) => [action, action])]);
  const predicted = items.length > 0 && pictures(0).length > 2;
  options('overlay', [['label', 'pseudo label'], ...(predicted ? [['prediction', 'segmentor']] : []), ['none', 'none']]);
  classes.forEach((name, id) => { const entry = element('span'); entry.append(colourChip(id), name); byId('key').append(entry); });
  for (const id of ['class', 'kind', 'ticked']) byId(id).addEventListener('change', filter);
  byId('search').addEventListener('input', filter);
  byId('overlay').addEventListener('change', overlay);
  byId('save').addEventListener('click', save);
  byId('help').addEventListener('click', () => byId('keys').showModal());
  byId('load').addEventListener('change', (event) => { if (event.target.files[0]) load(event.target.files[0]); event.target.value = ''; });
  paint();
  overlay();
  filter();
})();
