//! The first seconds of a node: the state of its start, told at the admin and control ports until the parts run and answer there.
//!
//! Never decides anything about the start. `run` names each step; `admin` and `control` answer with the step.

use std::{
    convert::Infallible,
    sync::{Arc, Mutex, OnceLock, PoisonError},
    task::{Context, Poll},
};

use axum::{Router, body::Body, extract::Request};
use tower::Service;

/// The reason why the start of a node waits, in words. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Startup {
    state: Arc<Mutex<String>>,
}

impl Startup {
    /// A start in its first state.
    pub fn new(state: impl Into<String>) -> Self {
        Self { state: Arc::new(Mutex::new(state.into())) }
    }

    /// The start is in this state from now on.
    pub fn say(&self, state: impl Into<String>) {
        let state = state.into();
        let mut known = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        if *known != state {
            chassis::notify::status(&state);
            *known = state;
        }
    }

    /// The state, as in "waiting for b, w".
    pub fn state(&self) -> String {
        self.state.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// Routes of a port that is open before the parts run: the first routes answer until [`LateRoutes::connect`], also on open
/// connections. Cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct LateRoutes {
    first: Router,
    running: Arc<OnceLock<Router>>,
}

impl LateRoutes {
    /// `first` answers for now.
    pub(crate) fn new(first: Router) -> Self {
        Self { first, running: Arc::default() }
    }

    /// From now on `running` answers.
    pub(crate) fn connect(&self, running: Router) {
        if self.running.set(running).is_err() {
            unreachable!("a node starts once");
        }
    }

    /// `always` answers its own paths, these routes all others.
    pub(crate) fn behind(&self, always: Router) -> Router {
        always.fallback_service(self.clone())
    }
}

impl Service<Request<Body>> for LateRoutes {
    type Response = axum::response::Response;
    type Error = Infallible;
    type Future = <Router as Service<Request<Body>>>::Future;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        self.running.get().unwrap_or(&self.first).clone().call(request)
    }
}

#[cfg(test)]
mod tests {
    use axum::routing::get;
    use tower::ServiceExt;

    use super::*;

    async fn answer(router: &Router, path: &str) -> String {
        let request = Request::builder().uri(path).body(Body::empty()).unwrap();
        let response = router.clone().oneshot(request).await.unwrap();
        let body = axum::body::to_bytes(response.into_body(), 1024).await.unwrap();
        String::from_utf8(body.to_vec()).unwrap()
    }

    #[tokio::test]
    async fn the_first_routes_answer_until_the_running_ones_are_there() {
        let late = LateRoutes::new(Router::new().fallback(|| async { "starts" }));
        let router = late.behind(Router::new().route("/always", get(|| async { "always" })));
        assert_eq!((answer(&router, "/always").await, answer(&router, "/x").await), ("always".into(), "starts".into()));
        late.connect(Router::new().route("/x", get(|| async { "runs" })));
        assert_eq!((answer(&router, "/always").await, answer(&router, "/x").await), ("always".into(), "runs".into()));
    }

    #[test]
    fn every_clone_tells_the_last_state() {
        let startup = Startup::new("opening");
        let told = startup.clone();
        startup.say("waiting for b, w");
        assert_eq!(told.state(), "waiting for b, w");
    }
}
