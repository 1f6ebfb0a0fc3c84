//! etcd's Put over gRPC, at the leader. The messages hold only the fields used (numbers as in etcd's public rpc.proto).

use std::time::Instant;

use http::uri::PathAndQuery;
use tonic::{
    Request,
    client::Grpc,
    transport::{Channel, Endpoint},
};
use tonic_prost::ProstCodec;

use crate::{
    Failure, Load,
    line::Line,
    window::{Samples, Window, all},
};

/// Connections that the clients share at most.
const CONNECTIONS_MAX: usize = 16;
const VALUE_BYTES: usize = 256;

#[derive(Clone, PartialEq, prost::Message)]
struct PutRequest {
    #[prost(bytes = "vec", tag = "1")]
    key: Vec<u8>,
    #[prost(bytes = "vec", tag = "2")]
    value: Vec<u8>,
}

#[derive(Clone, PartialEq, prost::Message)]
struct PutResponse {}

#[derive(Clone, PartialEq, prost::Message)]
struct StatusRequest {}

#[derive(Clone, PartialEq, prost::Message)]
struct Header {
    #[prost(uint64, tag = "2")]
    member_id: u64,
}

#[derive(Clone, PartialEq, prost::Message)]
struct StatusResponse {
    #[prost(message, optional, tag = "1")]
    header: Option<Header>,
    #[prost(uint64, tag = "4")]
    leader: u64,
}

pub(crate) async fn run(endpoints: &[String], load: &Load) -> Result<Line, Failure> {
    let leader = leader(endpoints).await?;
    let mut channels = Vec::new();
    for _ in 0..load.clients.min(CONNECTIONS_MAX) {
        channels.push(connect(leader).await?);
    }
    let window = load.window();
    let loops = (0..load.clients).map(|number| one(number, channels[number % channels.len()].clone(), window));
    Ok(all(loops).await?.line(load))
}

async fn connect(endpoint: &str) -> Result<Channel, Failure> {
    Ok(Endpoint::from_shared(endpoint.to_owned())?.tcp_nodelay(true).connect().await?)
}

async fn leader(endpoints: &[String]) -> Result<&str, Failure> {
    for endpoint in endpoints {
        let mut client = Grpc::new(connect(endpoint).await?);
        client.ready().await?;
        let path = PathAndQuery::from_static("/etcdserverpb.Maintenance/Status");
        let answer: tonic::Response<StatusResponse> =
            client.unary(Request::new(StatusRequest {}), path, ProstCodec::default()).await?;
        let status = answer.into_inner();
        if status.header.is_some_and(|header| header.member_id == status.leader) {
            return Ok(endpoint);
        }
    }
    Err("etcd has no leader".into())
}

async fn one(number: usize, channel: Channel, window: Window) -> Result<Samples, Failure> {
    let (mut samples, mut client) = (Samples::default(), Grpc::new(channel));
    for turn in 0_u64.. {
        if window.over() {
            break;
        }
        let key = format!("rec/{number:03}/{:05}", turn % 1000).into_bytes();
        let since = Instant::now();
        client.ready().await?;
        let put = Request::new(PutRequest { key, value: vec![b'x'; VALUE_BYTES] });
        let path = PathAndQuery::from_static("/etcdserverpb.KV/Put");
        let answer: Result<tonic::Response<PutResponse>, _> = client.unary(put, path, ProstCodec::default()).await;
        samples.took(&window, since, answer.is_ok());
    }
    Ok(samples)
}
