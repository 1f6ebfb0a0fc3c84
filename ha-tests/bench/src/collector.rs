//! A collector of OpenTelemetry that takes every span and keeps none: the other end of traced updates.

use opentelemetry_proto::tonic::collector::trace::v1::{
    ExportTraceServiceRequest, ExportTraceServiceResponse,
    trace_service_server::{TraceService, TraceServiceServer},
};
use tonic::{Request, Response, Status, transport::Server};

use crate::Failure;

/// Largest message of an exporter.
const MESSAGE_BYTES_MAX: usize = 16 << 20;

struct Nowhere;

#[tonic::async_trait]
impl TraceService for Nowhere {
    async fn export(
        &self,
        _: Request<ExportTraceServiceRequest>,
    ) -> Result<Response<ExportTraceServiceResponse>, Status> {
        Ok(Response::new(ExportTraceServiceResponse::default()))
    }
}

pub(crate) async fn serve(address: &str) -> Result<(), Failure> {
    let service = TraceServiceServer::new(Nowhere).max_decoding_message_size(MESSAGE_BYTES_MAX);
    Ok(Server::builder().add_service(service).serve(address.parse()?).await?)
}
