// What the pages do beyond plain links and forms: keys, Pause, and the state of
// the event stream. Everything here is a comfort; nothing needs it.
'use strict';

(() => {
  const $ = (selector) => document.querySelector(selector);
  const typing = (el) => el.closest('input, textarea, select, [contenteditable]') !== null;

  // ---- keys ----
  const goTo = { o: '/', r: '/orders', e: '/exceptions' };
  let leader = false;
  let leaderTimer = 0;

  function rows() {
    return [...document.querySelectorAll('a[data-row]')].filter((a) => a.offsetParent !== null);
  }

  function move(step) {
    const all = rows();
    if (all.length === 0) return;
    let at = all.indexOf(document.activeElement);
    if (at < 0) {
      const open = all.findIndex((a) => a.closest('[aria-current="true"], [aria-selected="true"]'));
      at = open >= 0 ? open - (step > 0 ? 1 : -1) : (step > 0 ? -1 : all.length);
    }
    const next = all[Math.min(all.length - 1, Math.max(0, at + step))];
    next.focus();
    next.scrollIntoView({ block: 'nearest' });
  }

  function search() {
    const box = [$('#q'), $('.filters input[type=search]')].find((el) => el && el.offsetParent !== null);
    if (box) { box.focus(); box.select(); } else { location.href = '/orders'; }
  }

  document.addEventListener('keydown', (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || event.isComposing) return;
    if (event.key === 'Escape' && typing(event.target)) { event.target.blur(); return; }
    if (typing(event.target)) return;
    if (leader) {
      leader = false;
      clearTimeout(leaderTimer);
      const to = goTo[event.key];
      if (to) { event.preventDefault(); location.href = to; }
      return;
    }
    switch (event.key) {
      case '/': event.preventDefault(); search(); break;
      case '?': event.preventDefault(); $('#keys')?.togglePopover(); break;
      case 'g': leader = true; leaderTimer = setTimeout(() => { leader = false; }, 1500); break;
      case 'j': event.preventDefault(); move(1); break;
      case 'k': event.preventDefault(); move(-1); break;
      case 'p': if (pause) { event.preventDefault(); pause.click(); } break;
    }
  });

  // ---- a message opens beside its list, without a new page ----
  let opening = null;
  let chosen = $('#messages tr[aria-current]')?.id;

  // The server marks the message that the page was loaded with; after an update
  // the one that is open has to be marked again.
  function mark() {
    document.querySelectorAll('#messages tr[aria-current]').forEach((tr) => tr.removeAttribute('aria-current'));
    if (chosen) document.getElementById(chosen)?.setAttribute('aria-current', 'true');
  }

  async function open(link) {
    opening?.abort();
    opening = new AbortController();
    try {
      const answer = await fetch(link.href, { signal: opening.signal, headers: { Accept: 'text/html' } });
      if (!answer.ok) throw new Error(answer.statusText);
      const page = new DOMParser().parseFromString(await answer.text(), 'text/html');
      const fresh = page.getElementById('detail');
      if (!fresh) throw new Error('no message in the answer');
      $('#detail').replaceWith(document.adoptNode(fresh));
      chosen = link.closest('tr').id;
      mark();
      history.pushState(null, '', link.href.split('#')[0]);
      shown = address();
      if (matchMedia('(max-width: 1100px)').matches) $('#detail').scrollIntoView();
    } catch (error) {
      if (error.name !== 'AbortError') location.href = link.href;
    }
  }

  document.addEventListener('click', (event) => {
    const link = event.target.closest('a[data-message]');
    if (!link || event.button !== 0 || event.ctrlKey || event.metaKey || event.shiftKey || event.altKey) return;
    event.preventDefault();
    open(link);
  });
  // A step within the page, to another of its anchors, loads nothing.
  const address = () => location.pathname + location.search;
  let shown = address();
  addEventListener('popstate', () => { if (address() !== shown) location.reload(); });

  // ---- live ----
  const stream = $('#live');
  const state = $('#live-state');
  const pause = $('#pause');
  let held = [];
  let paused = false;

  function show() {
    if (!state) return;
    state.classList.toggle('paused', paused);
    state.querySelector('.live-word').textContent = paused ? 'Paused' : state.classList.contains('off') ? 'Not live' : 'Live';
  }

  if (stream && pause) {
    pause.hidden = false;
    pause.addEventListener('click', () => {
      paused = !paused;
      pause.setAttribute('aria-pressed', String(paused));
      pause.setAttribute('aria-label', paused ? 'Resume updates' : 'Pause updates');
      pause.title = paused ? 'Resume updates' : 'Pause updates';
      pause.querySelector('use').setAttribute('href', paused ? '#i-play' : '#i-pause');
      show();
      held.forEach((go) => go());
      held = [];
    });
    // While paused, events wait; order is kept, and the stream's own back
    // pressure holds the rest at the server.
    stream.addEventListener('htmx:sse:before:message', (event) => {
      if (paused) event.detail.waitUntil(new Promise((resolve) => held.push(resolve)));
    });
    stream.addEventListener('htmx:sse:after:message', mark);
    stream.addEventListener('htmx:sse:after:connection', () => { state.classList.remove('off'); show(); });
    for (const name of ['htmx:sse:error', 'htmx:sse:close']) {
      stream.addEventListener(name, () => { state.classList.add('off'); show(); });
    }
  }

  // ---- without a choice of scheme, the switch starts from what is shown ----
  if (!document.documentElement.dataset.theme && matchMedia('(prefers-color-scheme: dark)').matches) {
    for (const input of document.querySelectorAll('input[name=theme]')) {
      input.value = 'light';
      input.form.querySelector('button').setAttribute('aria-label', 'Switch to the light scheme');
    }
  }

  // ---- the lanes start at now on a narrow screen ----
  const lanes = $('.lanes-scroll');
  if (lanes && lanes.scrollWidth > lanes.clientWidth) {
    const now = Number(lanes.dataset.now || 1000);
    lanes.scrollLeft = lanes.scrollWidth * now / 1000 - lanes.clientWidth * 0.8;
  }
})();
