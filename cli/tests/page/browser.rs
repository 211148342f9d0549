//! A headless Chromium, driven over WebDriver.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

/// Patience with a busy machine.
const PATIENCE: Duration = Duration::from_secs(120);
/// How WebDriver marks an element in JSON.
const ELEMENT: &str = "element-6066-11e4-a52e-4f735466cecf";

/// One browser with one page, ended with the test.
pub struct Browser {
    driver: Child,
    session: String,
    _profile: tempfile::TempDir,
}

impl Drop for Browser {
    fn drop(&mut self) {
        drop(ureq::delete(&self.session).call());
        drop(self.driver.kill());
        drop(self.driver.wait());
    }
}

impl Browser {
    /// Starts one; nothing where Chromium or its driver is not installed.
    pub fn start() -> Option<Self> {
        let command =
            Command::new("chromedriver").arg("--port=0").stdout(Stdio::piped()).stderr(Stdio::null()).spawn();
        let mut driver = match command {
            Ok(driver) => driver,
            Err(error) => {
                eprintln!(
                    "\n*** SKIPPED: chromedriver: {error} (install Debian's packages chromium and chromium-driver)\n"
                );
                return None;
            }
        };
        let lines = BufReader::new(driver.stdout.take().unwrap()).lines().map_while(Result::ok);
        let port = lines
            .filter_map(|line| {
                line.rsplit_once("successfully on port ")?.1.trim_end_matches('.').parse::<u16>().ok()
            })
            .next()
            .expect("the driver says its port");
        let profile = tempfile::tempdir().unwrap();
        let arguments = [
            "--headless",
            "--no-sandbox",
            "--disable-gpu",
            "--disable-quic",
            "--no-first-run",
            "--disable-background-networking",
            "--disable-component-update",
            "--disable-sync",
            "--hide-scrollbars",
            &format!("--user-data-dir={}", profile.path().display()),
        ];
        let wanted = json!({"capabilities": {"alwaysMatch": {
            "goog:chromeOptions": {"args": arguments},
            "goog:loggingPrefs": {"browser": "ALL", "performance": "ALL"},
        }}});
        let base = format!("http://127.0.0.1:{port}/session");
        let session = post(&base, &wanted)["sessionId"].as_str().unwrap().to_owned();
        Some(Self { driver, session: format!("{base}/{session}"), _profile: profile })
    }

    /// Opens an address and waits until it is loaded.
    pub fn open(&self, url: &str) {
        self.command("url", &json!({"url": url}));
    }

    /// What the body of a function gives.
    pub fn script(&self, body: &str) -> Value {
        self.command("execute/sync", &json!({"script": body, "args": []}))
    }

    /// Waits until an expression is true.
    pub fn until(&self, expression: &str) {
        let began = Instant::now();
        while self.script(&format!("return Boolean({expression})")) != true {
            if began.elapsed() > PATIENCE {
                let seen = self.script("return document.body.innerText");
                panic!("still not so: {expression}; the page shows\n{}", seen.as_str().unwrap_or_default());
            }
            std::thread::sleep(Duration::from_millis(100));
        }
    }

    /// The text of the first element of a selector.
    pub fn text(&self, selector: &str) -> String {
        self.script(&format!("return document.querySelector({selector:?}).textContent"))
            .as_str()
            .unwrap()
            .to_owned()
    }

    /// Clicks it, as a hand would.
    pub fn click(&self, selector: &str) {
        let element = self.element(selector);
        self.command(&format!("element/{element}/click"), &json!({}));
    }

    /// Types into it, as a keyboard would.
    pub fn keys(&self, selector: &str, text: &str) {
        let element = self.element(selector);
        self.command(&format!("element/{element}/value"), &json!({"text": text}));
    }

    /// Every element of a selector, with its role, its name as a screen reader has it, and its markup.
    pub fn named(&self, selector: &str) -> Vec<(String, String, String)> {
        let found = self.command("elements", &json!({"using": "css selector", "value": selector}));
        let ids =
            found.as_array().unwrap().iter().map(|element| element[ELEMENT].as_str().unwrap().to_owned());
        // One that was drawn anew meanwhile is gone, and not asked.
        let of = |id: &str, what: &str| Some(self.ask(&format!("element/{id}/{what}"))?.as_str()?.to_owned());
        ids.filter_map(|id| {
            Some((of(&id, "computedrole")?, of(&id, "computedlabel")?, of(&id, "property/outerHTML")?))
        })
        .collect()
    }

    /// What the console has said since the last look: warnings, errors, violations of the policy.
    pub fn console(&self) -> Vec<Value> {
        self.command("se/log", &json!({"type": "browser"})).as_array().unwrap().clone()
    }

    /// The addresses asked for since the last look, but those of the browser's own pages.
    pub fn requests(&self) -> Vec<String> {
        let log = self.command("se/log", &json!({"type": "performance"}));
        let events = log.as_array().unwrap().iter().map(|entry| {
            serde_json::from_str::<Value>(entry["message"].as_str().unwrap()).unwrap()["message"].clone()
        });
        // The browser's own first page asks for things too.
        let own = |event: &Value| event["params"]["documentURL"].as_str().unwrap().starts_with("chrome");
        let sent = events.filter(|event| event["method"] == "Network.requestWillBeSent" && !own(event));
        sent.map(|event| event["params"]["request"]["url"].as_str().unwrap().to_owned()).collect()
    }

    /// A window of this width, phone or desktop, and what the person prefers.
    pub fn look(&self, width: u32, height: u32, preferences: &[(&str, &str)]) {
        let metrics =
            json!({"width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 600});
        self.devtools("Emulation.setDeviceMetricsOverride", &metrics);
        let features: Vec<Value> =
            preferences.iter().map(|(name, value)| json!({"name": name, "value": value})).collect();
        self.devtools("Emulation.setEmulatedMedia", &json!({"features": features}));
    }

    /// How high the whole page is.
    pub fn height(&self) -> u32 {
        let height = self.script("return document.documentElement.scrollHeight").as_u64().unwrap();
        u32::try_from(height).unwrap()
    }

    /// Saves what the window shows as a picture.
    pub fn picture(&self, file: &Path) {
        let answer = self.devtools("Page.captureScreenshot", &json!({"format": "png"}));
        std::fs::write(file, decoded(answer["data"].as_str().unwrap())).unwrap();
    }

    fn devtools(&self, method: &str, parameters: &Value) -> Value {
        self.command("goog/cdp/execute", &json!({"cmd": method, "params": parameters}))
    }

    fn element(&self, selector: &str) -> String {
        let found = self.command("element", &json!({"using": "css selector", "value": selector}));
        found[ELEMENT].as_str().unwrap().to_owned()
    }

    fn command(&self, path: &str, body: &Value) -> Value {
        post(&format!("{}/{path}", self.session), body)
    }

    fn ask(&self, path: &str) -> Option<Value> {
        let mut answer = ureq::get(format!("{}/{path}", self.session)).call().ok()?;
        let text = answer.body_mut().read_to_string().unwrap();
        Some(serde_json::from_str::<Value>(&text).unwrap()["value"].clone())
    }
}

/// What WebDriver answers under `value`; an error of its own fails the test.
fn post(url: &str, body: &Value) -> Value {
    let request = ureq::post(url).config().http_status_as_error(false).build();
    let mut answer = request.header("content-type", "application/json").send(body.to_string()).unwrap();
    let text = answer.body_mut().with_config().limit(64 << 20).read_to_string().unwrap();
    let value = serde_json::from_str::<Value>(&text).unwrap()["value"].clone();
    assert!(answer.status().is_success(), "{url} {body}: {value:#}");
    value
}

/// Base64 (RFC 4648, 4) as bytes.
fn decoded(text: &str) -> Vec<u8> {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let digits = text.bytes().filter_map(|byte| ALPHABET.iter().position(|digit| *digit == byte));
    let (mut bytes, mut held, mut bits) = (Vec::with_capacity(text.len()), 0_u32, 0);
    for digit in digits {
        held = (held << 6) | digit as u32;
        bits += 6;
        if bits >= 8 {
            bits -= 8;
            bytes.push((held >> bits) as u8);
            held &= (1 << bits) - 1;
        }
    }
    bytes
}
