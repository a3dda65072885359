/* Shows times in the reader's zone, and looks at the locks again every few seconds, as
   long as the page can be seen. */
(function () {
    'use strict';

    function pad(number) {
        return String(number).padStart(2, '0');
    }

    function showTimes(part) {
        for (const each of part.querySelectorAll('time[datetime]')) {
            const at = new Date(each.dateTime);
            const day = [at.getFullYear(), pad(at.getMonth() + 1), pad(at.getDate())];
            const time = [at.getHours(), at.getMinutes(), at.getSeconds()].map(pad);
            each.textContent = `${day.join('-')} ${time.join(':')}`;
        }
    }

    showTimes(document.getElementById('content') || document);
    const place = document.getElementById('dbops-locks');
    if (!place) return;
    const state = document.getElementById('dbops-live-state');
    const button = document.getElementById('dbops-pause');
    const pause = Number(place.dataset.seconds) * 1000;
    let paused = false;
    let timer = 0;
    let looking = false;

    function plan() {
        clearTimeout(timer);
        if (!paused && !document.hidden) timer = setTimeout(look, pause);
    }

    function tell(text) {
        if (state.textContent !== text) state.textContent = text;
    }

    function show(html) {
        const focused = place.contains(document.activeElement) && document.activeElement.id;
        place.innerHTML = html;
        showTimes(place);
        if (focused) document.getElementById(focused)?.focus();
    }

    async function look() {
        if (looking) return;
        looking = true;
        try {
            const answer = await fetch(place.dataset.url, {
                credentials: 'same-origin', redirect: 'manual', cache: 'no-store',
            });
            if (answer.type === 'opaqueredirect' || answer.status === 403) {
                paused = true;
                button.hidden = true;
                tell(state.dataset.gone);
            } else if (answer.ok) {
                const html = await answer.text();
                if (!paused) show(html);
                tell('');
            } else {
                tell(state.dataset.lost);
            }
        } catch {
            tell(state.dataset.lost);
        } finally {
            looking = false;
            plan();
        }
    }

    button.textContent = button.dataset.pause;
    button.hidden = false;
    button.addEventListener('click', function () {
        paused = !paused;
        button.textContent = paused ? button.dataset.go : button.dataset.pause;
        if (paused) clearTimeout(timer); else look();
    });
    document.addEventListener('visibilitychange', function () {
        if (document.hidden) clearTimeout(timer); else if (!paused) look();
    });
    plan();
})();
