//! HTTP front ends of the stand-ins: an update is applied once under its key, and answered as its knobs say.

use std::sync::{Arc, Mutex};

use chassis::tasks::{AtEnd, Tasks};
use http_body_util::{BodyExt, Full};
use hyper::{Method, Request, Response, body::Incoming, service::service_fn};
use hyper_util::rt::TokioIo;
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::TcpListener,
};
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;

use super::DoubleState;

/// The answer to an update.
const ACKNOWLEDGED: &str = "{\"GSW_USER_EVENT\":\"Acknowledge\"}";

/// Serves the front end of a node; answers its address.
pub(super) async fn start(
    name: &'static str,
    tls: Option<TlsAcceptor>,
    state: &Arc<Mutex<DoubleState>>,
    tasks: &Tasks,
) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let (state, connections) = (state.clone(), tasks.clone());
    tasks.spawn("proxy", AtEnd::Quiet, async move {
        let stopping = connections.stopping();
        while let Some(Ok((stream, _))) = stopping.run_until_cancelled(listener.accept()).await {
            let (state, stopping, tls) = (state.clone(), stopping.clone(), tls.clone());
            connections.spawn("connection", AtEnd::Quiet, async move {
                match tls {
                    None => serve(stream, name, state, stopping).await,
                    Some(tls) => {
                        if let Ok(stream) = tls.accept(stream).await {
                            serve(stream, name, state, stopping).await;
                        }
                    }
                }
            });
        }
    });
    address
}

async fn serve<S>(stream: S, name: &'static str, state: Arc<Mutex<DoubleState>>, stopping: CancellationToken)
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let service = service_fn(|request| answer(name, state.clone(), request));
    let connection = hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), service);
    let _ = stopping.run_until_cancelled(connection).await; // a cut connection ends in an error
}

/// An error cuts the connection.
async fn answer(
    node: &'static str,
    state: Arc<Mutex<DoubleState>>,
    request: Request<Incoming>,
) -> Result<Response<Full<bytes::Bytes>>, std::io::Error> {
    let path = request.uri().to_string();
    if request.method() == Method::GET {
        state.lock().unwrap().looks += 1;
        return Ok(Response::new("{\"GSW_USER_EVENT\":\"Record\"}".into()));
    }
    let key = request.headers()["idempotency-key"].to_str().unwrap().to_owned();
    let body = request.into_body().collect().await.unwrap().to_bytes();
    let body = String::from_utf8(body.to_vec()).unwrap();
    let mut state = state.lock().unwrap();
    let response = Response::builder().header("x-ocs-node", node);
    if state.posts_refused > 0 {
        state.posts_refused -= 1;
        return Ok(response.status(503).body("{\"GSW_ERROR_CODE\":\"UNAVAILABLE\"}".into()).unwrap());
    }
    let replayed = state.answers.contains_key(&key);
    let text = apply(&mut state, path, key, body);
    if state.posts_cut > 0 && !replayed {
        state.posts_cut -= 1;
        return Err(std::io::ErrorKind::ConnectionReset.into());
    }
    let response = if replayed { response.header("idempotent-replayed", "true") } else { response };
    Ok(response.body(text.into()).unwrap())
}

fn preview(state: &mut DoubleState) -> String {
    if state.previews_left == 0 {
        return "{\"GSW_USER_EVENT\":\"PreviewRecordEmpty\"}".to_owned();
    }
    state.previews_left -= 1;
    format!("{{\"GSW_USER_EVENT\":\"PreviewRecord\",\"GSW_RECORD_HANDLE\":{}}}", 101 + state.previews_left)
}

fn apply(state: &mut DoubleState, path: String, key: String, body: String) -> String {
    if let Some(known) = state.answers.get(&key) {
        return known.clone();
    }
    if let Some(list) = path.strip_prefix("/lists/").and_then(|rest| rest.split('?').next()) {
        let body: serde_json::Value = serde_json::from_str(&body).unwrap();
        let phone = body["GSW_PHONE"].as_str().unwrap().to_owned();
        if state.forgets.as_ref() != Some(&phone) {
            state.lists.get_mut(list).unwrap().push([String::new(), phone, String::new()]);
        }
    }
    let text = if path.starts_with("/campaigngroups/") { preview(state) } else { ACKNOWLEDGED.to_owned() };
    state.answers.insert(key.clone(), text.clone());
    state.applied.push((path, key, body));
    text
}
