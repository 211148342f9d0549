//! The router as one connection sees it: it tells whose turn it is.

use std::convert::Infallible;
use std::pin::Pin;

use axum::Router;
use axum::http::{HeaderValue, Request, header};
use axum::response::Response;
use hyper::body::Incoming;
use hyper::service::Service;
use hyper_util::service::TowerToHyperService;

use crate::places::{Place, Turns};

/// Marks a request that came where all places are taken: only health and metrics are answered there.
#[derive(Debug, Clone, Copy)]
pub(crate) struct OnReserve;

/// The router behind a connection.
pub(crate) struct Served {
    router: TowerToHyperService<Router>,
    turns: Turns,
    is_reserved: bool,
}

impl Served {
    pub(crate) fn new(router: Router, place: &Place) -> Self {
        let router = TowerToHyperService::new(router);
        Self { router, turns: place.turns(), is_reserved: place.is_reserved() }
    }
}

impl Service<Request<Incoming>> for Served {
    type Response = Response;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Response, Infallible>> + Send>>;

    fn call(&self, mut request: Request<Incoming>) -> Self::Future {
        self.turns.servers();
        let (turns, is_reserved) = (self.turns.clone(), self.is_reserved);
        if is_reserved {
            request.extensions_mut().insert(OnReserve);
        }
        request.extensions_mut().insert(turns.clone());
        let answered = self.router.call(request);
        Box::pin(async move {
            let mut answered = answered.await;
            if let (true, Ok(response)) = (is_reserved, &mut answered) {
                response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
            }
            turns.clients();
            answered
        })
    }
}
