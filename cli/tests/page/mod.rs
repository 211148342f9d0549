//! The page at `/` in a real browser, over a running `hmisr up` and a `hmisr serve` on its own.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test may fail loudly, its helpers too"
)]

mod browser;

use std::path::Path;
use std::time::Duration;

use crate::common::{Running, SMALL, hmisr, metric, up};
use browser::Browser;
use hmisr_testkit::until;

/// WebDriver's names of keys.
const ENTER: &str = "\u{e007}";
const END: &str = "\u{e010}";
const HOME: &str = "\u{e011}";
const LEFT: &str = "\u{e012}";

const LIVE: &str = "document.querySelector('.state').dataset.state === 'live'";
/// Whether nothing is wider than the window.
const FITS: &str = "document.documentElement.scrollWidth <= window.innerWidth";

fn running(data: &Path, arguments: &[&str]) -> Running {
    let mut command = hmisr();
    command.args(["up", "--listen", "127.0.0.1:0", "--data"]).arg(data).args(SMALL).args(arguments);
    Running::start(&mut command)
}

/// A server's counter of requests.
fn requests(address: &str, endpoint: &str) -> f64 {
    let name = format!("hmisr_serving_request_seconds_count{{endpoint=\"{endpoint}\",status=\"2xx\"}}");
    metric(&format!("http://{address}"), &name).unwrap()
}

/// Nothing was asked of another place, and the console has nothing to say but of `expected` addresses
/// that were answered with an error.
fn clean(browser: &Browser, address: &str, expected: &[&str]) {
    let here = format!("http://{address}/");
    let asked = browser.requests();
    assert!(!asked.is_empty());
    assert_eq!(asked.iter().find(|url| !url.starts_with(&here)), None);
    let failed = |text: &str| {
        text.contains("Failed to load resource") && expected.iter().any(|path| text.contains(path))
    };
    let said = browser
        .console()
        .into_iter()
        .filter(|entry| ["WARNING", "SEVERE"].contains(&entry["level"].as_str().unwrap()));
    let said: Vec<_> = said.filter(|entry| !failed(entry["message"].as_str().unwrap())).collect();
    assert!(said.is_empty(), "{said:#?}");
}

fn ild(browser: &Browser, list: &str) -> f64 {
    let script = format!("return Number(document.querySelector('[data-list={list}]').dataset.ild)");
    browser.script(&script).as_f64().unwrap()
}

#[test]
fn the_page_shows_the_loop_and_a_user() {
    let data = tempfile::tempdir().unwrap();
    let Some(browser) = Browser::start() else { return };
    let mut server = running(data.path(), &["--rate", "1000"]);
    let address = server.address();
    browser.look(1280, 1000, &[]);
    browser.open(&format!("http://{address}/"));
    browser.until(LIVE);

    flows(&browser);
    a_curve(&browser);
    a_user(&browser);
    diversity_on_request(&browser);
    any_control_has_a_name(&browser);
    small_dark_and_still(&browser);
    clean(&browser, &address, &[]);
    nobody_looks(&browser, &address);

    server.child.kill().unwrap();
    browser.until("document.querySelector('.state').dataset.state === 'gone'");
    browser.until("document.getElementById('again').textContent.startsWith('Trying again in')");
    assert!(browser.text("#state").contains("does not answer"));
}

/// Rates of all parts, which move.
fn flows(browser: &Browser) {
    let hero = |part: u32| {
        format!(
            "Number(document.querySelector('.part:nth-child({part}) .hero span').textContent.replace(',', ''))"
        )
    };
    for part in 1..=3 {
        browser.until(&format!("{} > 0", hero(part)));
    }
    browser.until("/^v[0-9]+$/.test(document.querySelector('.part:nth-child(4) .hero span').textContent)");
    browser.until("document.querySelectorAll('.pipe.flows').length >= 3");
    let first = browser.text("#flow");
    browser.until(&format!("document.getElementById('flow').textContent !== {first:?}"));
}

/// Points, marks of snapshots, and a reading by keyboard.
fn a_curve(browser: &Browser) {
    browser.until("document.querySelector('.curve path.model')?.getAttribute('d').split('L').length > 5");
    browser.until("document.querySelectorAll('.curve .mark').length > 0");
    browser.until("document.querySelectorAll('#snapshots tbody tr').length > 1");
    browser.keys("#curve [role=slider]", &format!("{HOME}{LEFT}"));
    browser.until("document.querySelector('#curve [role=slider]').getAttribute('aria-valuenow') === '1'");
    let first = browser.text("#reading");
    browser.keys("#curve [role=slider]", END);
    browser.until(&format!("document.getElementById('reading').textContent !== {first:?}"));
    browser.click("#measures label:nth-of-type(3)");
    browser.until("document.getElementById('measure-help').textContent.includes('cross-entropy')");
    browser.click("#measures label:nth-of-type(1)");
}

/// One of the users on offer, with everything that is known of it.
fn a_user(browser: &Browser) {
    browser.until("document.querySelectorAll('#offers button').length > 1");
    let user = browser.text("#offers button");
    browser.click("#offers button");
    browser.until("document.querySelectorAll('.lanes rect.visit').length > 1");
    assert_eq!(browser.script("return location.hash"), format!("#user={user}"));
    let spoken = browser.script("return document.querySelector('.lanes svg').getAttribute('aria-label')");
    assert!(spoken.as_str().unwrap().starts_with("Visits by category"), "{spoken}");
    browser.until("document.querySelectorAll('#user tbody tr').length === 5");
    browser.until("document.querySelectorAll('ol.interests li').length === 4");
    browser.until("Number(document.querySelector('.score').firstChild.textContent) > 0");
    browser.until("document.querySelectorAll('#recommended tbody tr').length === 10");
}

/// The list follows the sliders: the more diversity is asked for, the more there is.
fn diversity_on_request(browser: &Browser) {
    browser.keys("#lambda", HOME);
    browser.until("document.querySelector('[data-list=ranked] h4').textContent.endsWith('0.00')");
    assert_eq!(ild(browser, "ranked"), ild(browser, "plain"));
    browser.until("document.querySelector('#recommended .moved').textContent === 'same place'");
    browser.keys("#lambda", END);
    browser.until("document.querySelector('[data-list=ranked] h4').textContent.endsWith('1.00')");
    assert!(ild(browser, "ranked") > ild(browser, "plain"), "{}", browser.text("#recommended"));
    assert!(browser.text("#recommended").contains("Made room: "));
    browser.keys("#k", END);
    browser.until("document.querySelectorAll('#recommended tbody tr').length === 50");
    browser.click("#recommended button");
    browser.until("document.querySelector('#recommended button').getAttribute('aria-pressed') === 'true'");
}

fn any_control_has_a_name(browser: &Browser) {
    browser.script("document.querySelectorAll('details').forEach((details) => { details.open = true; })");
    // Lists are drawn anew now and then, even while they are counted.
    let mut controls = Vec::new();
    until("twenty controls at least", || {
        controls =
            browser.named("main a, main button, main input, main summary, main [tabindex='0'], footer a");
        controls.len() > 20
    });
    for (role, name, markup) in controls {
        assert!(
            !role.is_empty() && role != "generic" && !name.trim().is_empty(),
            "{role:?} {name:?}: {markup}"
        );
    }
    let mut described = Vec::new();
    until("three pictures at least", || {
        described = browser.named("main [role=img]");
        described.len() >= 3
    });
    assert!(described.iter().all(|(_, name, _)| !name.is_empty()), "{described:?}");
}

/// A phone of 360 pixels, darkness, and no motion.
fn small_dark_and_still(browser: &Browser) {
    let colour = |browser: &Browser| browser.script("return getComputedStyle(document.body).backgroundColor");
    let motion = "return getComputedStyle(document.querySelector('.pipe.flows .stream')).animationName";
    let light = colour(browser);
    assert_eq!(browser.script(motion), "stream");
    browser.look(360, 740, &[("prefers-color-scheme", "dark"), ("prefers-reduced-motion", "reduce")]);
    browser.until(FITS);
    assert_eq!(browser.script("return window.innerWidth"), 360);
    assert_ne!(colour(browser), light);
    assert_eq!(browser.script(motion), "none");
    // What was unfolded fits too.
    browser.until(&format!("document.querySelectorAll('#curve-table tr').length > 2 && {FITS}"));
    browser.look(1280, 1000, &[]);
}

/// A page that nobody sees asks for nothing, and goes on when somebody does.
fn nobody_looks(browser: &Browser, address: &str) {
    let hide = |hidden: bool| {
        browser.script(&format!(
            "Object.defineProperty(document, 'hidden', {{ value: {hidden}, configurable: true }}); \
             document.dispatchEvent(new Event('visibilitychange'))"
        ));
    };
    hide(true);
    std::thread::sleep(Duration::from_millis(500));
    let before = requests(address, "activity");
    std::thread::sleep(Duration::from_secs(5));
    assert_eq!(requests(address, "activity"), before);
    hide(false);
    until("the page to ask again", || requests(address, "activity") > before);
}

/// Names that would be markup, scripts or addresses if anything took them for such.
const HOSTILE: [&str; 6] = [
    "<img src=x onerror=\"document.title='taken'\">",
    "</td><script>document.title='taken'</script>",
    "javascript:document.title='taken'",
    "\u{202e}\"' style=position:fixed ${7*7} {{7*7}}",
    "a/b?c#d%2e&e=%00",
    "__proto__",
];

#[test]
fn hostile_names_are_only_names() {
    let data = tempfile::tempdir().unwrap();
    let Some(browser) = Browser::start() else { return };
    let mut lines = String::new();
    for at in 0..600_usize {
        let event = serde_json::json!({
            "user_id": HOSTILE[at % HOSTILE.len()], "item_id": format!("{} {}", HOSTILE[at % 5], at % 37),
            "category": HOSTILE[(at / 7) % HOSTILE.len()], "action": "click", "ts": 1_600_000_000_000_u64 + at as u64,
        });
        lines += &format!("{event}\n");
    }
    // The greatest id is more than a number holds in a browser.
    let great = r#"{"user_id": 9223372036854775807, "item_id": 9223372036854775806, "category": 9007199254740993, "action": "click", "ts": 1600000001000}"#;
    let input = data.path().join("events.jsonl");
    std::fs::write(&input, format!("{lines}{great}\n")).unwrap();
    let server = running(&data.path().join("data"), &["--events", input.to_str().unwrap()]);
    let address = server.address();
    browser.open(&format!("http://{address}/"));
    browser.until("document.querySelectorAll('#offers button').length === 7");

    let inert = "document.title === 'HMISR, live' && document.querySelectorAll('script').length === 1 \
                 && document.querySelectorAll('img').length === 1 && document.querySelectorAll('main [style]').length === 0";
    for name in HOSTILE {
        let select = |button: &str| {
            format!(
                "[...document.querySelectorAll('#offers button')].find((b) => b.textContent === {}){button}",
                serde_json::json!(name)
            )
        };
        browser.script(&select(".click()"));
        browser
            .until(&format!("document.getElementById('user-field').value === {}", serde_json::json!(name)));
        browser.until("document.querySelectorAll('.lanes rect.visit').length > 1");
        browser.until("document.querySelectorAll('#recommended tbody tr').length > 1");
        browser.until("document.getElementById('user-state').textContent === ''");
        browser.until(inert);
        browser.until(FITS);
    }
    clean(&browser, &address, &[]);

    browser.script("document.getElementById('user-field').value = ''");
    browser.keys("#user-field", &format!("9223372036854775807{ENTER}"));
    browser.until("document.querySelector('.lanes')?.textContent.includes('9007199254740993')");

    // An unknown user, typed, and named in the address.
    let unknown = "<svg onload=alert(1)>";
    browser.script("document.getElementById('user-field').value = ''");
    browser.keys("#user-field", &format!("{unknown}{ENTER}"));
    browser.until("document.getElementById('user-state').textContent.includes('<svg onload=alert(1)>')");
    browser.until("document.querySelectorAll('#recommended tbody tr').length > 1");
    browser.open(&format!("http://{address}/#user=%3Cb%3Enobody%3C%2Fb%3E&x=%"));
    browser.until("document.getElementById('user-state').textContent.includes('<b>nobody</b>')");
    browser.until(inert);
    clean(&browser, &address, &["/v1/users/"]);
}

#[test]
fn a_server_of_its_own_asks_for_its_token_and_shows_what_it_knows() {
    let data = tempfile::tempdir().unwrap();
    let Some(browser) = Browser::start() else { return };
    up(data.path(), &["--generate", "3000"]);
    let token = data.path().join("token");
    std::fs::write(&token, "a-token-of-the-page").unwrap();
    let mut command = hmisr();
    command.args(["serve", "--listen", "127.0.0.1:0", "--pipeline", "http://127.0.0.1:9", "--snapshots"]);
    command.arg(data.path().join("snapshots")).arg("--set");
    command.arg(format!("serving.bearer_token_file={}", token.display()));
    let server = Running::start(&mut command);
    let address = server.address();
    browser.open(&format!("http://{address}/"));
    browser.until("!document.getElementById('token').hidden");
    browser.keys("#token-field", &format!("another-token-than-it{ENTER}"));
    browser.until("document.getElementById('token-wrong').textContent.includes('not this server')");
    browser.keys("#token-field", &format!("a-token-of-the-page{ENTER}"));
    browser.until(LIVE);
    browser.until(
        "document.getElementById('token').hidden && document.querySelectorAll('.elsewhere').length === 3",
    );
    browser.until("document.querySelectorAll('.curve .mark').length === 1");
    assert!(browser.text("#snapshots").contains('v'));
    let kept = browser.script("return [document.cookie, localStorage.length, location.href]");
    assert_eq!(kept[0], "");
    assert_eq!(kept[1], 0);
    assert!(!kept[2].as_str().unwrap().contains("token"), "{kept}");

    browser.keys("#user-field", &format!("1{ENTER}"));
    browser.until("document.getElementById('user-state').textContent.includes('cannot be looked up now')");
    // Something is recommended all the same, and it is said what it lacks.
    browser.until("document.querySelectorAll('#recommended tbody tr').length > 1");
    browser.until("document.querySelector('#recommended .notice').textContent.startsWith('Degraded: the user could not')");
    browser.script("location.reload()");
    browser.until(LIVE);
    clean(&browser, &address, &["/v1/activity", "/v1/users/"]);
}

/// Makes the pictures of docs/page.md anew.
#[test]
#[ignore = "it writes docs/images, after four minutes of learning"]
fn pictures() {
    let data = tempfile::tempdir().unwrap();
    let browser = Browser::start().expect("Chromium and its driver");
    let mut command = hmisr();
    command.args([
        "up",
        "--rate",
        "400",
        "--listen",
        "127.0.0.1:0",
        "--set",
        "trainer.snapshot_every_s=20",
        "--data",
    ]);
    let server = Running::start(command.arg(data.path()));
    let address = server.address();
    let url = format!("http://{address}/");
    std::thread::sleep(Duration::from_secs(180));
    // Visitors, so that requests are seen too.
    let visited = url.clone();
    std::thread::spawn(move || {
        for user in (1..1000_u32).cycle().take(20_000) {
            drop(ureq::get(format!("{visited}v1/recommend?user_id={user}&k=10")).call());
            std::thread::sleep(Duration::from_millis(40));
        }
    });
    browser.look(1280, 1000, &[]);
    browser.open(&format!("{url}#user=76"));
    browser.until(&format!("{LIVE} && document.querySelectorAll('ol.interests li').length === 4"));
    std::thread::sleep(Duration::from_secs(60));
    browser.script("document.getElementById('lambda').value = 0.35; document.getElementById('lambda').dispatchEvent(new Event('input'))");
    browser.until("document.querySelector('[data-list=ranked] h4').textContent.endsWith('0.35')");
    let images = Path::new(&std::env::var("CARGO_MANIFEST_DIR").unwrap()).join("../docs/images");
    browser.picture(&images.join("page.png"));
    for (device, width) in [("desktop", 1280), ("phone", 360)] {
        for scheme in ["light", "dark"] {
            let preferences = [("prefers-color-scheme", scheme)];
            browser.look(width, 800, &preferences);
            browser.until(FITS);
            // The whole page, and a moment for it to take its new width.
            browser.look(width, browser.height(), &preferences);
            std::thread::sleep(Duration::from_secs(1));
            browser.picture(&images.join(format!("page-{device}-{scheme}.png")));
        }
    }
    clean(&browser, &address, &[]);
}
