//! Bare axum with a constant answer: the most that reads over HTTP can reach here.

use axum::{Router, routing::get};
use tokio::net::TcpListener;

use crate::Failure;

pub(crate) async fn serve(address: &str) -> Result<(), Failure> {
    let listener = TcpListener::bind(address).await?;
    Ok(axum::serve(listener, Router::new().route("/", get(|| async { "ok\n" }))).await?)
}
