//! Models, look-ups and a client for the tests of the server.
// Each test file uses a part; what is not as it should be fails the test.
#![allow(dead_code, clippy::unwrap_used, clippy::panic)]

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex};
use std::time::Duration;

use hmisr_serving::{
    Activity, Api, CategoryShare, Ended, HttpServer, Interest, Known, Lambda, LookedIn, LookupError, Metrics,
    Model, ModelError, ModelInfo, ModelLoader, ModelSlot, Origin, Profile, Recommendation, Request, Scored,
    Settings, UserLookup,
};
use hmisr_stream::contract::{Id, UserView, VisitView};
use prometheus::Registry;
use serde_json::Value;

/// A door that work waits at while it is shut.
#[derive(Default)]
pub struct Door {
    shut: Mutex<bool>,
    opened: Condvar,
}

impl Door {
    pub fn shut(&self) {
        *self.shut.lock().unwrap() = true;
    }

    pub fn open(&self) {
        *self.shut.lock().unwrap() = false;
        self.opened.notify_all();
    }

    pub fn pass(&self) {
        let shut = self.shut.lock().unwrap();
        drop(self.opened.wait_while(shut, |shut| *shut).unwrap());
    }
}

/// The diversity score of every known user.
pub const DIVERSITY: f32 = 0.5;

/// Version v with the catalogue `v<v>-0` … `v<v>-149`, best first; items seen count only by name.
pub struct Catalogue {
    info: ModelInfo,
    door: Arc<Door>,
    alive: Arc<AtomicUsize>,
    last: Arc<Mutex<Vec<(Id, i64)>>>,
}

impl Drop for Catalogue {
    fn drop(&mut self) {
        self.alive.fetch_sub(1, Ordering::SeqCst);
    }
}

impl Model for Catalogue {
    fn info(&self) -> &ModelInfo {
        &self.info
    }

    fn recommend(&self, request: &Request<'_>) -> Result<Recommendation, ModelError> {
        self.door.pass();
        let history = request.known.history;
        assert!(history.iter().all(|event| event.item.as_text() != Some("panic")), "the model panics");
        let ids: Vec<Id> = (0..self.info.items).map(|at| item(self.info.version, at)).collect();
        let (ids, unknown_candidates) = match request.candidates {
            None => (ids, Vec::new()),
            Some(candidates) => {
                let (known, unknown): (BTreeSet<Id>, BTreeSet<Id>) =
                    candidates.iter().cloned().partition(|id| ids.contains(id));
                (ids.into_iter().filter(|id| known.contains(id)).collect(), unknown.into_iter().collect())
            }
        };
        let items = ids
            .into_iter()
            .enumerate()
            .map(|(at, item_id)| Scored {
                item_id,
                category: Id::from(7),
                score: -(at as f32),
                interest: None,
                relevance_rank: at + 1,
                why: None,
            })
            .filter(|scored| !(request.exclude)(&scored.item_id))
            .filter(|scored| (request.allowed)(std::slice::from_ref(&scored.category)))
            .take(request.k)
            .collect();
        let known = !history.is_empty();
        let source = if known { Origin::Model } else { Origin::Popularity };
        let lambda = match request.lambda {
            Lambda::Fixed(lambda) => lambda,
            Lambda::Personal { most } => most * DIVERSITY,
        };
        let diversity_score = known.then_some(DIVERSITY);
        *self.last.lock().unwrap() = history.iter().map(|event| (event.item.clone(), event.ts)).collect();
        Ok(Recommendation { items, source, diversity_score, lambda, unknown_candidates })
    }

    fn profile(&self, known: Known<'_>) -> Result<Option<Profile>, ModelError> {
        let categories = vec![CategoryShare { category: Id::from(7), share: 1.0 }];
        let interests = vec![Interest { mass: 1.0, categories }];
        Ok((!known.history.is_empty()).then_some(Profile { diversity_score: DIVERSITY, interests }))
    }
}

pub fn item(version: u64, at: u64) -> Id {
    Id::text(&format!("v{version}-{at}")).unwrap()
}

/// A snapshot folder whose newest version the test sets; versions ending in 7 are damaged.
pub struct Shelf {
    pub latest: AtomicU64,
    pub created_ms: AtomicI64,
    pub door: Arc<Door>,
    /// Models that are not freed.
    pub alive: Arc<AtomicUsize>,
    /// The history that was read last.
    pub last: Arc<Mutex<Vec<(Id, i64)>>>,
}

impl Default for Shelf {
    fn default() -> Self {
        let created_ms = AtomicI64::new(1_700_000_000_000);
        Self {
            latest: AtomicU64::default(),
            created_ms,
            door: Arc::default(),
            alive: Arc::default(),
            last: Arc::default(),
        }
    }
}

impl ModelLoader for Shelf {
    fn latest(&self) -> Result<Option<u64>, ModelError> {
        Ok(Some(self.latest.load(Ordering::SeqCst)).filter(|version| *version > 0))
    }

    fn load(&self, version: u64) -> Result<Arc<dyn Model>, ModelError> {
        if version % 10 == 7 {
            return Err(ModelError::new(format!("version {version}: checksum of items.safetensors differs")));
        }
        self.alive.fetch_add(1, Ordering::SeqCst);
        Ok(Arc::new(Catalogue {
            info: ModelInfo {
                version,
                created_ms: self.created_ms.load(Ordering::SeqCst),
                step: version * 100,
                items: 150,
                offsets: BTreeMap::from([(0, 5), (1, i64::try_from(version).unwrap())]),
                config: serde_json::json!({"dim": 64}),
                metrics: serde_json::json!({"hr_at_10": 0.25}),
            },
            door: self.door.clone(),
            alive: self.alive.clone(),
            last: self.last.clone(),
        }))
    }
}

/// Users held in memory, what is said of others, and a switch that makes every look-up fail.
#[derive(Default)]
pub struct Users {
    pub users: HashMap<Id, UserView>,
    /// Whether everybody else is of a partition that another process owns.
    pub others_not_owned: bool,
    /// The partitions that it looks in, where it says so.
    pub looked_in: Option<LookedIn>,
    pub down: AtomicBool,
}

impl Users {
    /// Each user with the items visited, oldest first.
    pub fn new(users: &[(&str, &[Id])]) -> Self {
        let users = users.iter().map(|(user, items)| {
            let id = Id::parse(user).unwrap();
            (id.clone(), view(id, items))
        });
        Self { users: users.collect(), ..Self::default() }
    }
}

fn view(user_id: Id, items: &[Id]) -> UserView {
    let visit = |(at, item): (usize, &Id)| VisitView {
        item_id: item.clone(),
        category: Id::from(7),
        ts: 1_000 * at as i64,
        tail: false,
        action: "click".to_owned(),
        weight: None,
        more_categories: Vec::new(),
    };
    UserView {
        user_id,
        partition: 1,
        next_offset: 99,
        newest_ts: 5_000,
        lifetime: Default::default(),
        window: Default::default(),
        recent_diversity: 0.5,
        visits: items.iter().enumerate().map(visit).collect(),
    }
}

impl UserLookup for Users {
    fn user(&self, id: &Id) -> Result<Option<UserView>, LookupError> {
        self.ready()?;
        match self.users.get(id) {
            None if self.others_not_owned => {
                let error = LookupError::not_owned("partition 3 is not owned by this process");
                Err(match &self.looked_in {
                    Some(looked_in) => error.having_looked_in(looked_in.clone()),
                    None => error,
                })
            }
            found => Ok(found.cloned()),
        }
    }

    fn ready(&self) -> Result<(), LookupError> {
        if self.down.load(Ordering::SeqCst) {
            Err(LookupError::new("partition 1 is replayed"))
        } else {
            Ok(())
        }
    }
}

/// A server on a free port, stopped at the end of the test.
pub struct Running {
    pub base: String,
    pub metrics: Arc<Metrics>,
    pub slot: Arc<ModelSlot>,
    stop: Arc<AtomicBool>,
    server: Option<HttpServer>,
}

pub fn settings() -> Settings {
    Settings { listen: "127.0.0.1:0".to_owned(), reload_interval_ms: 10, ..Settings::default() }
}

impl Running {
    /// With the model endpoints; nothing is loaded yet.
    pub fn serving(settings: Settings, lookup: Arc<dyn UserLookup>) -> Self {
        let slot = Arc::new(ModelSlot::new());
        Self::start(settings, lookup, slot, |api, slot| api.with_models(slot))
    }

    /// As a pipeline serves it.
    pub fn pipeline(lookup: Arc<dyn UserLookup>) -> Self {
        Self::start(settings(), lookup, Arc::new(ModelSlot::new()), |api, _| api)
    }

    /// With models and the page.
    pub fn paged(settings: Settings, lookup: Arc<dyn UserLookup>) -> (Self, Arc<Activity>) {
        let registry = Registry::new();
        let activity = Arc::new(Activity::new(registry.clone()));
        let shown = activity.clone();
        let compose = |api: Api, slot| api.with_models(slot).with_page(shown);
        (Self::over(registry, settings, lookup, Arc::new(ModelSlot::new()), compose), activity)
    }

    pub fn start(
        settings: Settings,
        lookup: Arc<dyn UserLookup>,
        slot: Arc<ModelSlot>,
        compose: impl FnOnce(Api, Arc<ModelSlot>) -> Api,
    ) -> Self {
        Self::over(Registry::new(), settings, lookup, slot, compose)
    }

    fn over(
        registry: Registry,
        settings: Settings,
        lookup: Arc<dyn UserLookup>,
        slot: Arc<ModelSlot>,
        compose: impl FnOnce(Api, Arc<ModelSlot>) -> Api,
    ) -> Self {
        let metrics = Arc::new(Metrics::new(&registry).unwrap());
        let api = Api::new(settings.clone(), registry, metrics.clone(), lookup).unwrap();
        let router = compose(api, slot.clone()).router();
        let stop = Arc::new(AtomicBool::new(false));
        let server = HttpServer::start(router, settings, metrics.clone(), stop.clone()).unwrap();
        let base = server.url();
        Self { base, metrics, slot, stop, server: Some(server) }
    }

    pub fn begin_stop(&self) {
        self.stop.store(true, Ordering::SeqCst);
    }

    pub fn stop(mut self) -> Ended {
        self.begin_stop();
        self.server.take().unwrap().join().unwrap()
    }

    pub fn get(&self, path: &str) -> Answer {
        get(&client(), &format!("{}{path}", self.base)).unwrap()
    }

    /// Posts a JSON body for recommendations.
    pub fn post(&self, body: &str) -> Answer {
        post(&client(), &format!("{}/v1/recommend", self.base), body).unwrap()
    }

    /// The value of a metric without labels, or with them as written.
    pub fn metric(&self, name: &str) -> f64 {
        let text = self.get("/metrics").text;
        let line = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
        line.unwrap_or_else(|| panic!("{name} is not in\n{text}")).parse().unwrap()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.begin_stop();
    }
}

/// What came back.
#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    pub text: String,
    pub headers: ureq::http::HeaderMap,
}

impl Answer {
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or_else(|error| panic!("{error}: {}", self.text))
    }

    pub fn error_kind(&self) -> String {
        let json = self.json();
        assert!(json["error"]["message"].as_str().is_some_and(|text| !text.is_empty()), "{json}");
        json["error"]["kind"].as_str().unwrap().to_owned()
    }

    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(|value| value.to_str().unwrap())
    }
}

pub fn client() -> ureq::Agent {
    ureq::Agent::config_builder()
        .http_status_as_error(false)
        .proxy(None)
        .timeout_global(Some(Duration::from_secs(60)))
        .build()
        .new_agent()
}

pub fn get(client: &ureq::Agent, url: &str) -> Result<Answer, ureq::Error> {
    let mut response = client.get(url).call()?;
    let text = response.body_mut().read_to_string()?;
    Ok(Answer { status: response.status().as_u16(), text, headers: response.headers().clone() })
}

pub fn post(client: &ureq::Agent, url: &str, body: &str) -> Result<Answer, ureq::Error> {
    let mut response = client.post(url).header("content-type", "application/json").send(body)?;
    let text = response.body_mut().read_to_string()?;
    Ok(Answer { status: response.status().as_u16(), text, headers: response.headers().clone() })
}
